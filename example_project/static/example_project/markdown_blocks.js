/**
 * The blocks of a Markdown text: paragraphs, headings, lists, quotes, code, tables. Lines
 * are looked at once for each level of nesting, and there are few of those.
 */

// What is nested deeper is shown as it was typed.
const DEPTH = 6;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/s;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])(?:[ \t]+|$)(?=(.?))/;
const TASK = /^\[([ xX])\][ \t]+/;

/**
 * Return the blocks of a text as `{kind, source, ...}`.
 *
 * @param {string[]} lines
 * @param {boolean} open Whether the text goes on: its end is then taken for what it will
 *   most likely be.
 */
export function blocks(lines, open = false, depth = 0) {
  const found = [];
  let at = 0;
  while (at < lines.length) {
    if (!lines[at].trim()) {
      at += 1;
      continue;
    }
    const block = (depth < DEPTH && begin(lines, at, open, depth)) || paragraph(lines, at, open, depth);
    block.source = lines.slice(at, block.end).join("\n");
    found.push(block);
    at = block.end;
  }
  return found;
}

function begin(lines, at, open, depth) {
  return fence(lines, at, open) ?? heading(lines, at) ?? rule(lines, at) ?? quote(lines, at, open, depth) ??
    table(lines, at, open) ?? list(lines, at, open, depth);
}

function fence(lines, at, open) {
  const mark = fenceMark(lines[at]);
  if (!mark) return null;
  let end = at + 1;
  const inner = [];
  for (; end < lines.length; end++) {
    const last = fenceMark(lines[end]);
    if (last && last.sign === mark.sign && last.length >= mark.length && !last.info) break;
    inner.push(lines[end].slice(Math.min(mark.indent, headLength(lines[end], " "))));
  }
  // The mark of its end is on its way.
  if (open && end === lines.length && !(inner.at(-1) ?? "x").trim().replaceAll(mark.sign, "")) inner.pop();
  const [language] = mark.info.split(/\s/, 1);
  return { kind: "code", text: inner.join("\n"), language, end: Math.min(end + 1, lines.length) };
}

function fenceMark(line) {
  const indent = headLength(line, " "), sign = line[indent];
  if (sign !== "`" && sign !== "~") return null;
  const length = headLength(line, sign, indent);
  const info = line.slice(indent + length).trim();
  return length < 3 || (sign === "`" && info.includes("`")) ? null : { indent, sign, length, info };
}

function heading(lines, at) {
  const [found, marks, text = ""] = HEADING.exec(lines[at]) ?? [];
  if (found === undefined) return null;
  const closed = text.trimEnd();
  const bare = closed.endsWith("#") ? closed.slice(0, withoutTail(closed, "#")) : closed;
  return { kind: "heading", level: marks.length, text: bare.trim(), end: at + 1 };
}

function rule(lines, at) {
  return isRule(lines[at]) ? { kind: "rule", end: at + 1 } : null;
}

function isRule(line) {
  const signs = line.replace(/\s/g, "");
  return signs.length > 2 && "-*_".includes(signs[0]) && !signs.replaceAll(signs[0], "");
}

function quote(lines, at, open, depth) {
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end])) end++;
  if (end === at) return null;
  const inner = lines.slice(at, end).map((line) => line.replace(QUOTE, ""));
  return { kind: "quote", blocks: blocks(inner, open && end === lines.length, depth + 1), end };
}

function table(lines, at, open) {
  if (!lines[at].includes("|")) return null;
  const isLast = at + 1 >= lines.length;
  // The line below the head of a table is on its way.
  const isBegun = open && lines[at].trim().startsWith("|") && (isLast || (at + 2 >= lines.length && isRow(lines[at + 1])));
  if (!isBegun && (isLast || !isRow(lines[at + 1]) || !lines[at + 1].includes("-"))) return null;
  const head = cells(lines[at]);
  const marks = isLast ? [] : cells(lines[at + 1]);
  if (!isBegun && marks.length !== head.length) return null;
  let end = Math.min(at + 2, lines.length);
  while (end < lines.length && lines[end].trim() && lines[end].includes("|")) end++;
  // A row has no more cells than the head, and gets none that it has not.
  const rows = lines.slice(at + 2, end).map((line) => cells(line).slice(0, head.length));
  return { kind: "table", head, rows, align: marks.map(alignment), end };
}

function isRow(line) {
  return line.includes("|") && /^[\s|:-]*$/.test(line);
}

function alignment(mark) {
  const left = mark.startsWith(":"), right = mark.endsWith(":");
  return right ? (left ? "center" : "end") : "";
}

function cells(line) {
  const trimmed = line.trim();
  const found = [""];
  for (let at = trimmed.startsWith("|") ? 1 : 0; at < trimmed.length; at++) {
    const sign = trimmed[at];
    if (sign === "\\" && trimmed[at + 1] === "|") found[found.length - 1] += trimmed[++at];
    else if (sign !== "|") found[found.length - 1] += sign;
    else if (at + 1 < trimmed.length) found.push("");
  }
  return found.map((cell) => cell.trim());
}

function list(lines, at, open, depth) {
  const first = marker(lines[at]);
  if (!first) return null;
  const items = [];
  let end = at;
  while (end < lines.length) {
    const mark = marker(lines[end]);
    if (!mark || mark.sort !== first.sort || isRule(lines[end])) break;
    const inner = [lines[end].slice(mark.width)];
    end = content(lines, end + 1, mark, inner);
    items.push(inner);
  }
  const isLast = (index) => open && end === lines.length && index === items.length - 1;
  return {
    kind: "list",
    ordered: first.number !== null,
    start: first.number,
    items: items.map((inner, index) => {
      const [found, done] = TASK.exec(inner[0]) ?? [];
      if (found) inner[0] = inner[0].slice(found.length);
      return { done: found ? done !== " " : null, blocks: blocks(inner, isLast(index), depth + 1) };
    }),
    end,
  };
}

/** Take the lines of an item into `inner`; returns the line after it. */
function content(lines, start, { indent, width }, inner) {
  let end = start;
  for (; end < lines.length; end++) {
    const line = lines[end], spaces = headLength(line, " ");
    if (!line.trim()) {
      const next = lines.slice(end + 1, end + 3).find((other) => other.trim());
      // An item goes on behind an empty line if what follows belongs to it.
      if (next === undefined || (headLength(next, " ") < indent + 2 && !marker(next))) break;
      inner.push("");
    } else if (spaces >= indent + 2) {
      inner.push(line.slice(Math.min(spaces, width)));
    } else if (marker(line) || !inner.at(-1).trim() || isBlockStart(line)) {
      break;
    } else {
      inner.push(line.trimStart());
    }
  }
  return end;
}

function isBlockStart(line) {
  return fenceMark(line) !== null || HEADING.test(line) || QUOTE.test(line) || isRule(line);
}

function marker(line) {
  const [found, spaces, mark, next] = ITEM.exec(line) ?? [];
  if (found === undefined) return null;
  const number = /\d/.test(mark) ? Number.parseInt(mark, 10) : null;
  // Behind a bare mark, and before code that is indented, one space counts.
  const gap = found.length - spaces.length - mark.length;
  const width = spaces.length + mark.length + (next && gap < 5 ? gap : Math.min(gap, 1));
  return { indent: spaces.length, width, number, sort: mark.at(-1) };
}

function paragraph(lines, at, open, depth) {
  let end = at + 1;
  while (end < lines.length && lines[end].trim() && !(depth < DEPTH && interrupts(lines, end, open))) end++;
  return { kind: "paragraph", text: lines.slice(at, end).join("\n").trim(), end };
}

function interrupts(lines, at, open) {
  const mark = marker(lines[at]);
  // A number at the beginning of a line may be a part of its sentence.
  if (mark && (mark.number === null || mark.number === 1)) return true;
  return isBlockStart(lines[at]) || table(lines, at, open) !== null;
}

function headLength(text, sign, start = 0) {
  let at = start;
  while (text[at] === sign) at++;
  return at - start;
}

function withoutTail(text, sign) {
  let at = text.length;
  while (text[at - 1] === sign) at--;
  return at;
}
