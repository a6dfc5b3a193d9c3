"""The documentation site: the Markdown pages beside this file, and the API.

``tox run -e docs`` builds it into ``build/docs``. Every warning is an error, so a link
that leads nowhere, or a docstring that cannot be read, fails the build.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import django
from django.db import models
from sphinx.application import Sphinx
from sphinx.util.inspect import stringify_signature

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "docs.site_settings")
django.setup()

project = "chatkit-images"
copyright = "the chatkit_images contributors"
author = "the chatkit_images contributors"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))[
    "project"
]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "chatkit-images"
# A link to a heading of any page is checked, as GitHub makes its anchor.
myst_heading_anchors = 4

autodoc_member_order = "bysource"
# A signature that is longer has a line for each argument.
python_maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
PAGE = re.compile(r"^- \[[^\]]+\]\(([\w-]+)\.(?:md|rst)\)", re.MULTILINE)


def add_contents(app: Sphinx, page: str, source: list[str]) -> None:
    """Give ``index.md`` the tables of contents that its lists of pages mean.

    The lists are what a reader on the code host sees; a directive would be noise there.
    """
    if page != "index":
        return
    text = source[0].replace("../CHANGELOG.md", "changelog.md")
    parts = SECTION.split(text)
    for heading, body in zip(parts[1::2], parts[2::2], strict=True):
        pages = "\n".join(PAGE.findall(body))
        text += f"\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{pages}\n```\n"
    source[0] = text


def show_changelog(app: Sphinx, page: str, source: list[str]) -> None:
    """Show the changelog itself, which lies above this directory, in its page."""
    if page == "changelog":
        changelog = ROOT / "CHANGELOG.md"
        app.env.note_dependency(str(changelog))
        source[0] = changelog.read_text(encoding="utf-8").replace("](docs/", "](")


def add_fields(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    """List the fields of a model, with their help texts, below its docstring."""
    if not (isinstance(thing, type) and issubclass(thing, models.Model)):
        return
    for field in thing._meta.get_fields():
        if isinstance(field, models.Field):
            words = f" {field.help_text}" if field.help_text else ""
            kind = type(field).__name__
            lines += ["", f"- **{field.name}** ({kind}){words}"]


def keep_names(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: str, of: str
) -> tuple[str, str] | None:
    """Return a signature with its types as the code names them.

    Sphinx would show what the SDKs' names stand for: unions of some dozen types.
    """
    if what not in ("class", "function", "method"):
        return None
    written = inspect.signature(thing)
    parameters = [each for each in written.parameters.values() if each.name != "self"]
    returned = "" if what == "class" else str(written.return_annotation)
    plain = written.replace(parameters=parameters, return_annotation=written.empty)
    return stringify_signature(plain), returned


def setup(app: Sphinx) -> None:
    """Connect what this site does with its pages."""
    app.connect("source-read", add_contents)
    app.connect("source-read", show_changelog)
    app.connect("autodoc-process-docstring", add_fields)
    app.connect("autodoc-process-signature", keep_names)
