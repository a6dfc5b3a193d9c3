/** What test_markdown.py looks at: texts, and what the page makes of them. */

import { showMarkdown } from "/static/example_project/markdown.js";

const A = '<a href="https://x.y/z">';

// Inputs and the HTML of their elements, without what all of a kind have.
const INPUTS = {
  "**bold** *it* ***both*** `co*de` ~~gone~~":
    "<p><strong>bold</strong> <em>it</em> <em><strong>both</strong></em> <code>co*de</code> <del>gone</del></p>",
  "***a* b** ***a** b*": "<p><strong><em>a</em> b</strong> <em><strong>a</strong> b</em></p>",
  "snake_case 2 * 3 * 4 *.js **open": "<p>snake_case 2 * 3 * 4 *.js **open</p>",
  "\\*no\\* **強調**は": "<p>*no* <strong>強調</strong>は</p>",
  "# A\n### B\n## C\n\ntext": "<h3>A</h3><h4>B</h4><h4>C</h4><p>text</p>",
  "- a\n  - b\n- [x] c\n\n3. d\n4. e":
    '<ul><li><p>a</p><ul><li><p>b</p></li></ul></li><li class="task"><span aria-label="Done">☑</span><p>c</p></li></ul>' +
    '<ol start="3"><li><p>d</p></li><li><p>e</p></li></ol>',
  "> a\n> - b\n\n---": "<blockquote><p>a</p><ul><li><p>b</p></li></ul></blockquote><hr>",
  "```py\nif a < b:\n    *c*\n```\nd": '<pre aria-label="Code, py"><code>if a &lt; b:\n    *c*</code></pre><p>d</p>',
  "| a | b |\n|---|--:|\n| 1 | **2** | 3 |":
    '<div class="table" aria-label="Table"><table><thead><tr><th>a</th><th style="text-align: end;">b</th></tr></thead>' +
    '<tbody><tr><td>1</td><td style="text-align: end;"><strong>2</strong></td></tr></tbody></table></div>',
  "[w](https://x.y/z) <https://x.y/z>, (https://x.y/z).": `<p>${A}w</a> ${A}https://x.y/z</a>, (${A}https://x.y/z</a>).</p>`,
  "[m](mailto:a@b.c)": '<p><a href="mailto:a@b.c">m</a></p>',
  // What is asked for only by who presses it.
  "![alt](https://x.y/z) ![](https://x.y/z)": `<p>${A}alt</a> ${A}Image</a></p>`,
  // No words become markup, and no address anything but a page or a mail.
  "<img src=x onerror=alert(1)><b>b</b>": "<p>&lt;img src=x onerror=alert(1)&gt;&lt;b&gt;b&lt;/b&gt;</p>",
  "[a](javascript:alert(1)) [b](JaVaScRiPt:x) [c](data:text/html,x) [d](/admin/)":
    "<p><span>a</span> <span>b</span> <span>c</span> <span>d</span></p>",
  "[e](//x.y) [f](vbscript:x) [g](blob:https://x.y/z) [h](file:///etc)":
    "<p><span>e</span> <span>f</span> <span>g</span> <span>h</span></p>",
  '[a"onclick=x](https://x.y/z"onclick=x)': '<p><a href="https://x.y/z%22onclick=x">a"onclick=x</a></p>',
  "[a [b](https://x.y/z) c](https://x.y/z)": `<p>[a ${A}b</a> c](${A}https://x.y/z</a>)</p>`,
  "[https://x.y/z](https://x.y/z)": `<p>${A}https://x.y/z</a></p>`,
};

// Each is something that a parser may read again and again.
const SHAPES = [
  "*a ", "a* ", "*a **b ", "_a_", "*a*", "***a***", "~~a", "**a __b ",
  "[", "](", "[a](", "![", "[a ](http://x.y)", "[a](<", "[a](x ", "http://a](",
  "`", "`a ", "~", "\\", "<", "<br>", "https://",
  "- a\n", "- a\n\n", "1. a\n", "> a\n", "# a\n", "a|b\n", "|-|\n", "```\n", "\n",
  "> ", "- ", "> - ", "  ", "#", "| ",
];

const STANDING = / (title|target|rel|referrerpolicy|dir|role|tabindex|scope)="[^"]*"/g;

function shown(text, open = false) {
  const element = document.createElement("div");
  showMarkdown(element, text, { open });
  return element;
}

/** Return the inputs that are shown in another way, with what is shown. */
export function wrong() {
  const found = Object.keys(INPUTS).map((text) => [text, shown(text).innerHTML.replaceAll(STANDING, "")]);
  return found.filter(([text, html]) => html !== INPUTS[text]);
}

/** Return the steps of a text that grows at which a mark is to be seen. */
export function halfMarks() {
  const text =
    "Here is **bold**, *it* and a [link](https://x.y/z) with `code`.\n\n" +
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n- x\n- **y** z\n\n```py\ncode\n```\n";
  const steps = Array.from(text, (_, end) => shown(text.slice(0, end), true).textContent);
  const isWhole = shown(text, true).innerHTML === shown(text).innerHTML;
  return [...steps.filter((step) => /[*[\]|`(]|--/.test(step)), ...(isWhole ? [] : ["another end"])];
}

/** Return which elements are the same after the last of three has grown. */
export function stays() {
  const element = shown("one\n\n- two\n\nthr", true);
  const before = [...element.children];
  showMarkdown(element, "one\n\n- two\n\nthree", { open: true });
  return [...element.children].map((child, index) => child === before[index]);
}

/** Return which way blocks are read, and what their links tell. */
export function attributes(text) {
  const element = shown(text), link = element.querySelector("a");
  return [element.firstElementChild.dir, link?.rel, link?.referrerPolicy];
}

/** Return how long shapes take at two lengths, in milliseconds, and how deep any is. */
export function times() {
  const took = {};
  let deepest = 0;
  for (const shape of SHAPES) {
    for (const [before, after] of [["", ""], ["|a|\n|-|\n|", "`"]]) {
      took[before + shape] = [2_000, 16_000].map((length) => {
        const text = before + shape.repeat(length / shape.length) + after;
        const runs = [false, true].map((open) => {
          const begun = performance.now(), element = shown(text, open), end = performance.now();
          let depth = 0;
          for (let inner = element; (inner = inner.firstElementChild); ) depth += 1;
          deepest = Math.max(deepest, depth);
          return end - begun;
        });
        return Math.min(...runs);
      });
    }
  }
  return { took, deepest };
}
