/** The chat page: puts the parts together and keeps them in step. */

import { ChatKitApi } from "./api.js";
import { Composer } from "./composer.js";
import { askTitle, confirmDelete, setUpDialogs } from "./dialogs.js";
import { announce, byId } from "./dom.js";
import { Lightbox } from "./lightbox.js";
import { showLimits } from "./limits.js";
import { Log } from "./render.js";
import { Scroller } from "./scroller.js";
import { Session } from "./session.js";
import { Sidebar, threadTitle } from "./sidebar.js";
import { Speaker } from "./speaker.js";
import { addLocal } from "./thread.js";

const config = JSON.parse(byId("config").textContent);
const api = new ChatKitApi(config.endpoint, onReconnect, config);
const scroller = new Scroller(showEarlier);
const lightbox = new Lightbox();

// Sessions whose answer is still on its way when another chat is opened go on in
// here, and are shown as they are when they are opened again.
const running = new Map();
let session = new Session(api, onChange);

const composer = new Composer(api, { onSend: send, onStop: stop });
const sidebar = new Sidebar(listChats, {
  onNew: startNew,
  onRename: rename,
  onDelete: remove,
  onProblem: showProblem,
});
const log = new Log(byId("log"), {
  onOpen: open,
  onRetry: retry,
  onChange: (text) => composer.restore({ text, attachments: [] }),
  onNew: startNew,
  onFeedback: feedback,
  onStale: () => session.refresh().catch(showProblem),
});

const speaker = new Speaker();
let lostConnections = 0;

function onReconnect({ lost }) {
  lostConnections += lost ? 1 : -1;
  byId("connection").hidden = !lostConnections;
}

function showProblem(error) {
  composer.setProblem(error.message);
}

function showNoProblem() {
  composer.setProblem("");
}

// Drawing

function drawFrame() {
  const { thread, busy } = session;
  const empty = !thread.id && !thread.items.size;
  byId("welcome").hidden = !empty;
  byId("title").hidden = empty;
  byId("title").textContent = thread.gone ? "Not found" : threadTitle(thread);
  document.title = thread.title ? `${thread.title} · Studio` : "Studio";
  byId("earlier").hidden = !thread.hasMore;
  // An image in the making says so itself.
  const drawing = [...thread.images.values()].some(({ phase }) => phase === "generating");
  byId("working").hidden = !busy || (drawing && !thread.progress);
  byId("working-text").textContent = thread.progress || "Working…";
  const logList = byId("log");
  if (logList.getAttribute("aria-busy") !== String(busy)) {
    speaker.busy(busy);
    logList.setAttribute("aria-busy", String(busy));
  }
  log.finish(thread, busy);
  const { type, reason } = thread.status;
  composer.setLocked(type === "active" ? "" : reason || `This chat is ${type}.`);
  composer.setBusy(busy, thread.allowCancel);
}

function show(next) {
  session = next;
  composer.setProblem("");
  log.reset(session.thread);
  drawFrame();
  sidebar.select(session.thread.id);
  scroller.toEnd();
}

// Following a stream

function onChange(changed, ids, event) {
  const { thread, busy } = changed;
  if (thread.id && busy && !running.has(thread.id)) {
    running.set(thread.id, changed);
    sidebar.put(thread);
    sidebar.mark(thread.id, "drawing");
  } else if (!busy && running.delete(thread.id)) {
    sidebar.mark(thread.id, changed === session ? null : "done");
    showLimits(api);
  }
  if (event?.type === "thread.created" || event?.type === "thread.updated") {
    sidebar.put(thread);
  }
  if (changed !== session) return;
  const follow = scroller.isFollowing;
  log.update(thread, ids);
  drawFrame();
  checkLightbox();
  if (event) speaker.tell(thread, event);
  if (event?.type === "thread.created") {
    // Not `location.hash`: that would open the thread that is on the page already.
    history.replaceState(null, "", `#${thread.id}`);
    sidebar.select(thread.id);
  }
  if (follow) scroller.follow();
}

/** Show an image in full, and look whether it is there still. */
function open(image) {
  lightbox.open(image);
  look();
}

/** Close the lightbox if its image is no more, and go to the words in its place. */
function checkLightbox() {
  const gone = lightbox.closeIfGone();
  const entry = gone && log.focus(gone);
  if (entry) announce(entry.innerText);
}

async function send(message) {
  const sending = session;
  scroller.toEnd();
  try {
    await sending.send(message);
  } catch (error) {
    if (sending !== session) return;
    if (error.name !== "AbortError") showProblem(error);
    composer.restore(message);
    showLimits(api);
    // Another page has asked in this chat.
    if (error.code === "run_in_progress") look();
  }
}

async function retry() {
  showNoProblem();
  // The button goes with what is answered again; the focus must not fall to the page.
  focusChat();
  await session.retry().catch(showProblem);
}

/** Find out what happened while nobody looked at this page, or it had no network. */
function look() {
  if (document.hidden) return;
  const looking = session;
  looking.look().catch((error) => {
    // What is out of reach now is looked for the next time.
    if (error.status !== 404 || looking !== session) return;
    sidebar.remove(looking.thread.id);
    showMissing();
  });
}

/** Say that there is no such chat; its address stays, so that a reload says the same. */
function showMissing() {
  const next = new Session(api, onChange);
  next.thread.gone = true;
  addLocal(next.thread, { type: "missing" });
  show(next);
}

async function stop() {
  await session.stop().catch(showProblem);
}

async function feedback(ids, kind) {
  const judged = session;
  const params = { thread_id: judged.thread.id, item_ids: ids, kind };
  try {
    await api.call("items.feedback", params);
    for (const id of ids) {
      judged.thread.states[id] = { ...judged.thread.states[id], feedback: kind };
    }
    if (judged !== session) return;
    log.finish(judged.thread, judged.busy);
    announce("Thank you for your opinion.");
  } catch (error) {
    showProblem(error);
  }
}

// Opening, naming and deleting chats

function focusChat() {
  // On a touch screen the keyboard would cover what was just opened.
  if (matchMedia("(pointer: coarse)").matches) byId("title").focus({ preventScroll: true });
  else composer.focus();
}

function startNew() {
  sidebar.setOpen(false);
  history.pushState(null, "", location.pathname);
  show(new Session(api, onChange));
  composer.focus();
}

async function openFromHash() {
  const id = location.hash.slice(1);
  if (id === (session.thread.id ?? "")) return;
  if (!id) {
    show(new Session(api, onChange));
    return;
  }
  if (running.has(id)) {
    show(running.get(id));
    return;
  }
  const next = new Session(api, onChange);
  try {
    await next.open(id);
    // Another chat may have been opened while this one was on its way.
    if (location.hash.slice(1) === id) {
      show(next);
      focusChat();
    }
    next.join().catch(showProblem);
  } catch (error) {
    if (location.hash.slice(1) !== id) return;
    if (error.status === 404) {
      showMissing();
      return;
    }
    show(new Session(api, onChange));
    showProblem(error);
  }
}

async function listChats(query) {
  const response = await fetch(`${config.chats}?${new URLSearchParams(query)}`).catch(() => null);
  if (!response?.ok) throw new Error("The list of chats cannot be loaded. Check the connection.");
  return response.json();
}

async function rename(thread, title) {
  const wanted = await askTitle(title);
  if (!wanted || wanted === thread.title) return;
  showNoProblem();
  try {
    await api.call("threads.update", { thread_id: thread.id, title: wanted });
    sidebar.put({ ...thread, title: wanted });
    if (session.thread.id === thread.id) {
      session.thread.title = wanted;
      drawFrame();
    }
  } catch (error) {
    showProblem(error);
  }
}

async function remove(thread, title) {
  if (!(await confirmDelete(title))) return;
  showNoProblem();
  try {
    await api.call("threads.delete", { thread_id: thread.id });
    sidebar.remove(thread.id);
    if (session.thread.id === thread.id) startNew();
  } catch (error) {
    showProblem(error);
  }
}

// Earlier items

let loadingEarlier = false;

async function showEarlier() {
  if (loadingEarlier || !session.thread.hasMore) return;
  loadingEarlier = true;
  const current = session, pressed = document.activeElement === byId("earlier");
  try {
    await current.earlier();
    if (current !== session) return;
    scroller.keep(() => {
      log.prepend(current.thread);
      drawFrame();
    });
    if (pressed && !current.thread.hasMore) byId("title").focus({ preventScroll: true });
  } catch (error) {
    showProblem(error);
  } finally {
    loadingEarlier = false;
  }
}

byId("earlier").addEventListener("click", showEarlier);

// The page

for (const button of document.querySelectorAll(".prompt")) {
  button.addEventListener("click", () => {
    composer.focus();
    send({ text: button.textContent.trim(), attachments: [] });
  });
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  if (sidebar.isOpen) sidebar.setOpen(false);
  else if (session.busy) stop();
});

window.addEventListener("hashchange", openFromHash);
document.addEventListener("visibilitychange", look);
window.addEventListener("focus", look);
window.addEventListener("online", look);
setUpDialogs();
drawFrame();
sidebar.load().catch(showProblem);
showLimits(api);
// Without them each file is uploaded, and the server says why it is refused.
api.composer().then(({ attachments }) => composer.setRules(attachments), () => {});
if (location.hash) openFromHash();
else composer.focus();
