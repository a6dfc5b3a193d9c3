/** What the person has left, told before it is used up. */

import { byId } from "./dom.js";

// From when on it is told: a few, or a quarter of what there was.
const FEW = 5, SHARE = 0.25;

/** Return the sentence about what is left, empty while there is much. */
export function sentence({ limits, stopped }) {
  if (stopped) return stopped;
  const images = limits.IMAGES_PER_DAY;
  if (!images || images.left > Math.max(FEW, images.limit * SHARE)) return "";
  if (!images.left) return `You have used all ${images.limit} images of today. More in ${duration(images.renewed_in)}.`;
  return `${images.left} of ${images.limit} images left today.`;
}

/** Show what is left below the message box. */
export async function showLimits(api) {
  // The page works without it, and the next answer asks again.
  const told = await api.limits().catch(() => null);
  if (!told) return;
  const left = byId("left"), text = sentence(told);
  // What has not changed is not announced again.
  if (left.textContent !== text) left.textContent = text;
  left.hidden = !text;
}

function duration(seconds) {
  const hours = Math.floor(seconds / 3600), minutes = Math.max(1, Math.floor(seconds / 60));
  const [count, unit] = hours ? [hours, "hour"] : [minutes, "minute"];
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}
