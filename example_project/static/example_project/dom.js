/** Build elements without markup strings, so that no text can become markup. */

const icons = new URL("icons.svg", import.meta.url).pathname;

/** Return the element with this id; a missing one is a mistake in the template. */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`No element #${id}.`);
  return element;
}

/**
 * Create an element. Properties that the element has are set as such, others become
 * attributes; `false`, `null` and `undefined` are left out.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name in element && !name.includes("-")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child || child === 0));
  return element;
}

/** Append any number of nodes or texts to an element, and return it. */
export function fill(element, nodes) {
  // As many as there may be are too many arguments for a call.
  const all = new DocumentFragment();
  for (const node of nodes) all.append(node);
  element.append(all);
  return element;
}

/** Create one of the symbols of icons.svg; always next to a label. */
export function icon(name) {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(namespace, "use");
  use.setAttribute("href", `${icons}#${name}`);
  svg.append(use);
  return svg;
}

/** Create a button that shows an icon and is named by its label. */
export function iconButton(name, label, properties = {}) {
  return h(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title: label, ...properties },
    icon(name),
  );
}

/** Say something to screen readers, once it is complete. */
export function announce(text) {
  const log = byId("announcer");
  log.append(h("p", {}, text));
  while (log.childElementCount > 20) log.firstElementChild.remove();
}
