/** Which requests are repetitions of earlier ones, and which aborts are no stops. */

import { Book } from "./chatkit-stream.js";

// Milliseconds around the moment in which a tab is hidden or shown. Browsers and frames tell of
// it in any order, and nobody presses a button then.
const BEFORE = 100, AFTER = 500;
// For how many milliseconds the same request is the repetition of one that has failed. Of one
// that a tab has left it is for less, or while its run goes on: a person has seen some of that.
// The time for which the page is hidden does not count.
const FAILED = 120_000, LEFT = 30_000;

// A worker has none, and is never hidden.
const { document } = globalThis;
let left = false, shownAt = -Infinity;
const back = () => {
  left = false;
  shownAt = performance.now();
};
addEventListener("pagehide", () => { left = true; });
addEventListener("pageshow", back);
document?.addEventListener("resume", back);
document?.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") back();
});

/** Whether nobody looks at the page, or nobody did a moment ago. */
function isAway() {
  return left || document?.visibilityState === "hidden" || performance.now() - shownAt < AFTER;
}

/** Resolve to whether an abort of this moment is the tab's, and not a person's. */
export async function isOfTab() {
  if (!isAway()) await new Promise((resolve) => setTimeout(resolve, BEFORE));
  return isAway();
}

/** One request of a person, over as many tries as its caller makes. */
class Asked {
  key = crypto.getRandomValues(new Uint32Array(4)).join("-");
  /** How many tries there were. */
  tries = 0;
  /** When the newest try was given up; `null` while it goes on. */
  lostAt = null;
  /** Whether its tab was left, and whether its run still goes on then. */
  left = false;
  goesOn = false;
  /** What the caller has been shown. */
  book = new Book();
  /** Ends the reading of the try before, which its caller has left. */
  rest = null;
}

/** The requests that may be repeated, by what they ask. */
export class Repeats {
  #known = new Map();

  /**
   * Return the request that a body repeats, or a new one: what a person says twice while the
   * first is being answered, or after its answer, is said twice.
   */
  take(url, body) {
    const now = performance.now();
    for (const [text, { lostAt, left, goesOn }] of this.#known) {
      if (lostAt === null || goesOn) continue;
      if (now - Math.max(lostAt, shownAt) > (left ? LEFT : FAILED)) this.#known.delete(text);
    }
    const { type, params } = JSON.parse(body);
    const text = JSON.stringify([url, type, params], sorted);
    let asked = this.#known.get(text);
    if (!asked || asked.lostAt === null) this.#known.set(text, asked = new Asked());
    asked.tries += 1;
    asked.lostAt = null;
    asked.left = asked.goesOn = false;
    const mine = asked.tries;
    return {
      asked,
      /** Whether no other try has followed. */
      isNewest: () => asked.tries === mine,
      /** The try came to nothing: the same body again is the same request. */
      lose() {
        if (asked.tries === mine) asked.lostAt = performance.now();
      },
      /** The caller has left: the same, as long as the reading goes on for nobody. */
      async leave(reading) {
        if (asked.tries !== mine) return;
        asked.left = asked.goesOn = true;
        await reading;
        if (asked.tries === mine) asked.goesOn = false;
      },
      /** The request has its answer, or was stopped. */
      end: () => {
        if (asked.tries === mine && this.#known.get(text) === asked) this.#known.delete(text);
      },
    };
  }
}

/** For `JSON.stringify`: the order of keys says nothing. */
function sorted(_, value) {
  if (!value || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
}
