/** Which files may be attached, in the words of people. */

const NAMES = { webp: "WebP", "svg+xml": "SVG", plain: "text" };
const UNITS = [[2 ** 30, "GB"], [2 ** 20, "MB"], [2 ** 10, "KB"]];

/** Return what people call a type such as `image/png`. */
function typeName(mime) {
  const kind = mime.split("/")[1] ?? mime;
  return NAMES[kind] ?? kind.toUpperCase();
}

/** Return a number of bytes as people say it. */
export function size(bytes) {
  const [unit, name] = UNITS.find(([least]) => bytes >= least) ?? [1, "bytes"];
  const amount = bytes / unit;
  return `${amount < 10 ? Math.round(amount * 10) / 10 : Math.round(amount)} ${name}`;
}

/** Return a sentence of what may be attached. */
export function sentence({ accept, maxSize }) {
  if (!Object.keys(accept).length) return "Files cannot be attached here.";
  const names = Object.keys(accept).map(typeName);
  const list = names.length > 1 ? `${names.slice(0, -1).join(", ")} or ${names.at(-1)}` : names[0];
  return `Attach ${list} images of up to ${size(maxSize)}.`;
}

/** Return why a file cannot be attached, beside so many others; empty if it can. */
export function refusal(file, others, rules) {
  const { accept, maxSize, maxCount } = rules;
  const extension = /\.[^.]+$/.exec(file.name)?.[0].toLowerCase();
  // A browser that knows no type of a file says so with an empty one.
  const isKnown = file.type ? file.type in accept : Object.values(accept).flat().includes(extension);
  if (!isKnown) return sentence(rules);
  if (!file.size) return "The file is empty.";
  if (file.size > maxSize) return `The file has ${size(file.size)}. ${sentence(rules)}`;
  if (others >= maxCount) return `A message takes ${maxCount} images at most.`;
  return "";
}
