"""The page of ChatKit.js without ChatKit.js, which comes from OpenAI's network only.

``OPTIONS`` and ``EVENTS`` are the names of ``ChatKitOptions`` and ``ChatKitEvents`` in
the types of ``@openai/chatkit`` 1.9.0, ``types/index.d.ts``.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

NAMES = """
api.url api.fetch api.domainKey api.uploadStrategy.type api.uploadStrategy.uploadUrl
commands.enabled commands.onSearch commands.onSelect
composer.attachments.accept composer.attachments.enabled composer.attachments.maxCount
composer.attachments.maxSize composer.dictation.enabled composer.models
composer.placeholder composer.tools disclaimer.highContrast disclaimer.text
entities.onClick entities.onRequestPreview entities.onTagSearch
entities.showComposerMenu frameTitle initialThread locale onClientTool
startScreen.greeting startScreen.prompts thread.autoScroll
threadItemActions.feedback threadItemActions.retry widgets.onAction
"""
HEARD = """
chatkit.deeplink chatkit.effect chatkit.error chatkit.history.close chatkit.history.open
chatkit.log chatkit.ready chatkit.response.end chatkit.response.start
chatkit.thread.change chatkit.thread.load.end chatkit.thread.load.start
chatkit.tool.change
"""
OPTIONS, EVENTS = set(NAMES.split()), set(HEARD.split())
# Values that are whole: their keys are types, or a list's.
WHOLE = ("composer.attachments.accept",)
FUNCTION = "(function)"
PRELUDE = """
const answers = ANSWERS;
const seen = { asked: [], events: [], opened: [], options: null };
const listeners = {};
const element = { value: "red", dataset: {}, showModal() {} };
const chatkit = {
  dataset: { endpoint: "/chatkit/", domainKey: "domain_pk_localhost_dev" },
  setOptions(options) { seen.options = options; },
  setThreadId(id) { seen.opened.push(id); },
  sendCustomAction(...sent) { seen.sent = sent; },
  addEventListener(name, listener) {
    seen.events.push(name);
    listeners[name] = listener;
  },
};
const define = (values) => {
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(globalThis, name, { value, configurable: true });
  }
};
define({
  customElements: { whenDefined: async () => {} },
  document: {
    documentElement: { lang: "de" },
    querySelector: (selector) => (selector === "openai-chatkit" ? chatkit : element),
  },
  location: {
    href: "https://shop.example/design/", hash: "#thr_1", pathname: "/design/",
    assign(path) { seen.went = path; },
  },
  history: { replaceState() {} },
  CSS: { escape: (text) => text },
  theFetch: async (url) => {
    const { pathname, search } = new URL(url);
    const answer = answers[pathname + search];
    if (answer) seen.asked.push(pathname + search);
    return { ok: Boolean(answer), json: async () => answer };
  },
});
await import("./shop/design.js");
const { entities, onClientTool, widgets } = seen.options;
seen.found = await entities.onTagSearch("red fox");
seen.previewed = await entities.onRequestPreview({ id: "IMAGE" });
seen.gone = await entities.onRequestPreview({ id: "img_0" });
entities.onClick(seen.found[0]);
seen.colour = await onClientTool({ name: "chosen_colour", params: { of: "mug" } });
await widgets.onAction({ type: "compare" }, { id: "msg_w" });
const tell = (name, detail) => listeners[`chatkit.${name}`]({ detail });
tell("effect", { name: "cart_changed", data: { product: "mug" } });
tell("deeplink", { name: "product", data: { id: "mug" } });
tell("thread.change", { threadId: "thr_2" });
seen.effect = element.dataset.product;
const shown = (key, value) => (typeof value === "function" ? "(function)" : value);
console.log(JSON.stringify(seen, shown));
"""


def run(
    node: str,
    directory: Path,
    first: str,
    others: list[str],
    answers: dict[str, Any],
    image_id: str,
) -> dict[str, Any]:
    """Run the script of the pages as a page would, and return what it has done.

    Args:
        node: The command.
        directory: An empty one.
        first: The script.
        others: What stands before the last line of it.
        answers: What the app says, by path.
        image_id: An image to preview.
    """
    head, end, _ = first.partition("chatkit.setOptions(options);")
    assert end
    page = directory / "shop" / "design.js"
    library = directory / "chatkit_images" / "chatkit-fetch.js"
    for file, text in {
        page: "\n".join([head, *others, end]),
        library: "export const createFetch = () => globalThis.theFetch;",
        directory / "package.json": '{"type": "module"}',
        directory / "main.js": PRELUDE.replace("ANSWERS", json.dumps(answers)).replace(
            "IMAGE", image_id
        ),
    }.items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    command = [node, "main.js"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def names(options: Any, path: str = "") -> set[str]:
    """Return the dotted names of options that have no further ones below them."""
    if not isinstance(options, dict) or path in WHOLE:
        return {path}
    return {
        name
        for key, value in options.items()
        for name in names(value, f"{path}.{key}".strip("."))
    }


def environment(**values: str) -> dict[str, str]:
    """Return the environment of a process that is none of these tests."""
    kept = {key: each for key, each in os.environ.items() if "COV" not in key}
    return kept | values
