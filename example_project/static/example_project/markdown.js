/**
 * Answers with Markdown, as elements: never by way of HTML, so that no words of a model, or
 * of what it has read, can become markup.
 */

import { fill, h } from "./dom.js";
import { blocks } from "./markdown_blocks.js";
import { inline } from "./markdown_inline.js";

const FROM_THE_RIGHT =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;
// The blocks that an element shows, so that those which stay the same stay in place.
const shown = new WeakMap();

/**
 * Show a text in an element.
 *
 * @param {{open?: boolean, level?: number}} options `open` while the text goes on to grow;
 *   `level` of its highest heading.
 */
export function showMarkdown(element, text, { open = false, level = 3 } = {}) {
  const found = blocks((open ? text.trimEnd() : text).split(/\r\n?|\n/), open);
  giveLevels(found, level);
  const before = shown.get(element) ?? [];
  const now = found.map((block, index) => {
    const isOpen = open && index === found.length - 1;
    const key = `${block.kind} ${block.level ?? ""} ${isOpen} ${block.source}`;
    return before[index]?.key === key ? before[index] : { key, node: build(block, isOpen, true) };
  }).filter(({ node }) => node.matches("hr") || node.hasChildNodes());
  let kept = 0;
  while (kept < now.length && now[kept] === before[kept]) kept++;
  for (const { node } of before.slice(kept)) node.remove();
  fill(element, now.slice(kept).map(({ node }) => node));
  shown.set(element, now);
}

/** Leave no level of headings out, whichever the text begins with. */
function giveLevels(found, highest) {
  const above = [];
  for (const block of found) {
    if (block.kind !== "heading") continue;
    while (above.length && above.at(-1) >= block.level) above.pop();
    above.push(block.level);
    block.level = Math.min(highest + above.length - 1, 6);
  }
}

const builders = {
  paragraph: ({ text }, open, dir) => fill(h("p", dir), inline(text, open)),
  heading: ({ text, level }, open, dir) => fill(h(level ? `h${level}` : "p", dir), inline(text, open)),
  rule: () => h("hr"),
  code: ({ text, language }) =>
    h("pre", { dir: "ltr", tabIndex: 0, role: "group", "aria-label": language ? `Code, ${language}` : "Code" },
      h("code", {}, text)),
  quote: (block, open, dir) => fill(h("blockquote", dir), nested(block, open)),
  list({ ordered, start, items }, open, dir) {
    const list = h(ordered ? "ol" : "ul", { ...dir, start: ordered && start !== 1 && start });
    return fill(list, items.map(({ done, blocks: inner }, index) => {
      const item = h("li", { class: done !== null && "task" });
      if (done !== null) item.append(h("span", { role: "img", "aria-label": done ? "Done" : "To do" }, done ? "☑" : "☐"));
      return fill(item, nested({ blocks: inner }, open && index === items.length - 1));
    }));
  },
  table({ head, rows, align }, open, dir) {
    const row = (cells, tag, isOpen) => fill(h("tr"), cells.map((cell, column) => {
      const element = fill(h(tag, { scope: tag === "th" && "col" }), inline(cell, isOpen && column === cells.length - 1));
      element.style.textAlign = align[column] ?? "";
      return element;
    }));
    const body = rows.map((cells, index) => row(cells, "td", open && index === rows.length - 1));
    return h("div", { class: "table", tabIndex: 0, role: "group", "aria-label": "Table", ...dir },
      h("table", {}, h("thead", {}, row(head, "th", open && !rows.length)), fill(h("tbody"), body)));
  },
};

function build(block, open, isOutermost = false) {
  return builders[block.kind](block, open, isOutermost ? { dir: direction(block.source) } : {});
}

/**
 * Return which way a text is read, by its first letter.
 *
 * As `dir="auto"` does, of which browsers look at the whole text again for each element
 * that is put into it.
 */
function direction(text) {
  const letter = /\p{L}/u.exec(text)?.[0];
  return letter && (FROM_THE_RIGHT.test(letter) ? "rtl" : "ltr");
}

function nested({ blocks: inner }, open) {
  return inner.map((block, index) => {
    // Headings within lists and quotes would leave levels out.
    const plain = block.kind === "heading" ? { ...block, level: null } : block;
    return build(plain, open && index === inner.length - 1);
  });
}
