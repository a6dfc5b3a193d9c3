/** The chat page: puts the parts together, and does what the person asks for. */

import { ChatKitApi } from "./api.js";
import { Composer } from "./composer.js";
import { askReport, askTitle, confirmDelete, setUpDialogs } from "./dialogs.js";
import { announce, byId } from "./dom.js";
import { showLimits } from "./limits.js";
import { Log } from "./render.js";
import { Sidebar } from "./sidebar.js";
import { View } from "./view.js";

const config = JSON.parse(byId("config").textContent);
const api = new ChatKitApi(config.endpoint, onReconnect, config);
const composer = new Composer(api, { onSend: send, onStop: stop });
const sidebar = new Sidebar(listChats, {
  onNew: startNew,
  onRename: rename,
  onDelete: remove,
  onProblem: showProblem,
});
const log = new Log(byId("log"), {
  onOpen: (image) => view.openImage(image),
  onRetry: retry,
  onChange: (text) => composer.restore({ text, attachments: [] }),
  onNew: startNew,
  onFeedback: feedback,
  onStale: () => view.session.refresh().catch(showProblem),
});
const view = new View(api, { composer, sidebar, log, onReport: report });

let lostConnections = 0;

function onReconnect({ lost }) {
  lostConnections += lost ? 1 : -1;
  byId("connection").hidden = !lostConnections;
}

function showProblem(error) {
  view.showProblem(error);
}

// Asking

async function send(message) {
  const sending = view.session;
  view.scroller.toEnd();
  try {
    await sending.send(message);
  } catch (error) {
    if (sending !== view.session) return;
    if (error.name !== "AbortError") showProblem(error);
    composer.restore(message);
    showLimits(api);
    // Another page has asked in this chat.
    if (error.code === "run_in_progress") view.look();
  }
}

async function retry() {
  view.showNoProblem();
  // The button goes with what is answered again; the focus must not fall to the page.
  focusChat();
  await view.session.retry().catch(showProblem);
}

async function stop() {
  await view.session.stop().catch(showProblem);
}

async function feedback(ids, kind) {
  const judged = view.session;
  const params = { thread_id: judged.thread.id, item_ids: ids, kind };
  try {
    await api.call("items.feedback", params);
    for (const id of ids) {
      judged.thread.states[id] = { ...judged.thread.states[id], feedback: kind };
    }
    if (judged !== view.session) return;
    log.finish(judged.thread, judged.busy);
    announce("Thank you for your opinion.");
  } catch (error) {
    showProblem(error);
  }
}

async function report(item) {
  const { image } = view.session.thread.items.get(item);
  const reason = await askReport();
  if (reason === null) return;
  try {
    await api.report(image.id, reason);
    announce("Thank you. The staff of this site will look at it.");
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
  view.show(view.newSession());
  composer.focus();
}

async function openFromHash() {
  const id = location.hash.slice(1);
  if (id === (view.session.thread.id ?? "")) return;
  if (!id || view.running(id)) {
    view.show(view.running(id) ?? view.newSession());
    return;
  }
  const next = view.newSession();
  try {
    await next.open(id);
    // Another chat may have been opened while this one was on its way.
    if (location.hash.slice(1) === id) {
      view.show(next);
      focusChat();
    }
    next.join().catch(showProblem);
  } catch (error) {
    if (location.hash.slice(1) !== id) return;
    if (error.status === 404) {
      view.showMissing();
      return;
    }
    view.show(view.newSession());
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
  view.showNoProblem();
  try {
    await api.call("threads.update", { thread_id: thread.id, title: wanted });
    sidebar.put({ ...thread, title: wanted });
    const { thread: open } = view.session;
    if (open.id === thread.id) {
      open.title = wanted;
      view.draw();
    }
  } catch (error) {
    showProblem(error);
  }
}

async function remove(thread, title) {
  if (!(await confirmDelete(title))) return;
  view.showNoProblem();
  try {
    await api.call("threads.delete", { thread_id: thread.id });
    sidebar.remove(thread.id);
    if (view.session.thread.id === thread.id) startNew();
  } catch (error) {
    showProblem(error);
  }
}

// The page

byId("earlier").addEventListener("click", () => view.showEarlier());

for (const button of document.querySelectorAll(".prompt")) {
  button.addEventListener("click", () => {
    composer.focus();
    send({ text: button.textContent.trim(), attachments: [] });
  });
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  if (sidebar.isOpen) sidebar.setOpen(false);
  else if (view.session.busy) stop();
});

const look = () => view.look();
window.addEventListener("hashchange", openFromHash);
document.addEventListener("visibilitychange", look);
window.addEventListener("focus", look);
window.addEventListener("online", look);
setUpDialogs();
view.draw();
sidebar.load().catch(showProblem);
showLimits(api);
// Without them each file is uploaded, and the server says why it is refused.
api.composer().then(({ attachments }) => composer.setRules(attachments), () => {});
if (location.hash) openFromHash();
else composer.focus();
