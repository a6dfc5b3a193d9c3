/** Words for how an answer, or an image of it, has ended. No DOM. */

import { nameOf, stateOf } from "./turns.js";

// What providers call what they have found, in words of people.
const CATEGORIES = {
  violence: "violence", graphic: "graphic violence", gore: "graphic violence",
  sexual: "sexual content", minors: "sexual content with minors", nudity: "nudity", nsfw: "sexual content",
  hate: "hate", harassment: "harassment", threatening: "threats",
  selfharm: "self-harm", intent: "self-harm", instructions: "self-harm",
  illicit: "something illegal", violent: "violence", weapons: "weapons", drugs: "drugs",
  jailbreak: "an attempt to get around the rules", copyright: "somebody's copyright",
  celebrity: "a real person", publicfigure: "a real person",
};
// Reasons for which other words may help.
const OTHER_WORDS = ["blocked", "refused", "bad_request", "too_large", "refused_input"];
const LOOKS = {
  blocked: ["blocked", "Blocked"], refused: ["blocked", "Refused"],
  stopped: ["stopped", "Stopped"], stopped_by_staff: ["stopped", "Stopped"],
  interrupted: ["stopped", "Interrupted"], removed: ["removed", "Removed"],
  withheld: ["removed", "Not shown"],
};

/** Return the categories of a moderation in plain words, each once, or none. */
function foundWords(categories = []) {
  const words = categories.flatMap((category) => {
    const parts = category.toLowerCase().replace(/self[^a-z]?harm/, "selfharm").split(/[^a-z]+/);
    const last = parts.findLast((part) => CATEGORIES[part]);
    return last ? [CATEGORIES[last]] : [];
  });
  return [...new Set(words)];
}

/** Return the look, the heading and the hint of a note, and which ways on there are. */
export function endOf(thread, item, isLast) {
  const state = stateOf(thread, item);
  const reason = ["removed", "withheld"].includes(state.kind) ? state.kind : state.reason;
  const [look, word] = LOOKS[reason] ?? ["failed", "Not finished"];
  const name = nameOf(thread, item.id);
  const hint = [];
  const found = foundWords(state.categories);
  const change = OTHER_WORDS.includes(reason);
  if (found.length) hint.push(`It found ${list(found)}. Leave that out, or say it in other words.`);
  else if (change) hint.push("Say it in other words, or ask for something else.");
  const retry = isLast && (change || reason === "removed" || reason === undefined || state.allow_retry);
  return {
    look,
    heading: name === "Image" ? word : `${name}: ${word.toLowerCase()}`,
    hint: hint.join(" "),
    change,
    retry: retry && (reason === "removed" ? "Draw again" : change ? "Try again" : "Retry"),
  };
}

/** Return what an image is of which there is only a preview, in a word or two. */
export function previewWords(state = {}) {
  return {
    cancelled: "Made before it was stopped",
    interrupted: "Made before it was interrupted",
    failed: "Made before it failed",
  }[state.status] ?? "Stopped";
}

function list(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
