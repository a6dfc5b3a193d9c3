"""The README as a package index shows it; all else is in pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s#]+)(#[^)\s]*)?\)")


def readme(text: str, repository: str | None, version: str) -> str:
    """Return a README whose links to files of the repository lead somewhere.

    A package index has none of the files.

    Args:
        text: The README, in Markdown.
        repository: Address of the repository. Without one a link becomes its text and
            the file's name, and an image is left out.
        version: Links lead to the files of its tag.
    """

    def link(match: re.Match[str]) -> str:
        image, words, path, anchor = match.groups()
        if repository:
            kind = "raw" if image else "blob"
            to = f"{repository.rstrip('/')}/{kind}/v{version}/{path}{anchor or ''}"
            return f"{image}[{words}]({to})"
        if image:
            return ""
        return words if words == path else f"{words} (`{path}`)"

    return re.sub(r"\n{3,}", "\n\n", LINK.sub(link, text))


if __name__ == "__main__":
    # Who tests the function has no setuptools.
    from setuptools import setup

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    setup(
        long_description=readme(
            (ROOT / "README.md").read_text("utf-8"),
            project.get("urls", {}).get("Repository"),
            project["version"],
        ),
        long_description_content_type="text/markdown",
    )
