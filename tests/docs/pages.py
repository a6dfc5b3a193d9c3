"""Pages, their headings, and the fenced blocks in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from chatkit_images import checks

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"(?:#|//) ([\w./]+\.\w+)$|<!-- ([\w./]+) -->$", re.MULTILINE)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language and its text.

    ``name`` is the file that its first line names, empty if it names none.
    """

    page: Path
    line: int
    language: str
    text: str
    heading: str

    @property
    def name(self) -> str:
        match = NAME.match(self.text)
        return (match[1] or match[2]) if match else ""

    def compile(self) -> CodeType:
        """Return the code; a traceback shows the page and its line."""
        source = "\n" * self.line + self.text
        return compile(source, str(self.page), "exec", dont_inherit=True)

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(*languages: str, name: str | None = None) -> Iterator[Block]:
    """Yield the blocks of every page, of some languages, of one file's name."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            before = text[: match.start()]
            heading = (HEADING.findall(prose(before)) or [""])[-1]
            line = before.count("\n") + 1
            block = Block(page, line, match[1], match[2], heading)
            if languages and block.language not in languages:
                continue
            if name is None or block.name == name:
                yield block


def block(page: str, heading: str, index: int = 0) -> Block:
    """Return a Python block below a heading."""
    found = [
        each
        for each in blocks("python")
        if each.page.name == page and each.heading == heading
    ]
    return found[index]


def prose(text: str) -> str:
    """Return a page's text without its blocks, its lines in their places."""
    return FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)


def check_ids() -> set[str]:
    """Return the ids of the app's system checks."""
    modules = Path(checks.__file__).parent.glob("*.py")
    text = "".join(module.read_text() for module in modules)
    return set(re.findall(r'id="(.+?)"', text))


def spans(page: Path) -> list[str]:
    """Return the inline code of a page."""
    return SPAN.findall(prose(page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings make, as GitHub does."""
    headings = HEADING.findall(prose(page.read_text(encoding="utf-8")))
    return {
        re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings
    }
