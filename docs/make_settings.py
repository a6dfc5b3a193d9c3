"""Write ``docs/settings.md`` from the docstrings in ``chatkit_images/conf``.

Run it with ``python docs/make_settings.py``; it needs the standard library only.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent
CONF = DOCS.parent / "chatkit_images" / "conf"
# In the order of the page.
MODULES = (
    "__init__.py",
    "storing.py",
    "serving.py",
    "model_input.py",
    "people.py",
    "limits.py",
    "prices.py",
    "retention.py",
    "runs.py",
    "tuning.py",
)
PAGE = DOCS / "settings.md"
GROUP = re.compile(r"    # (\w[^.]*)")
INTRO = """\
<!-- Made by docs/make_settings.py from chatkit_images/conf. Do not edit. -->

# Settings

All settings are keys of one dict in the project's settings, `CHATKIT_IMAGES`. It is
read when a value is used, so `override_settings` works in tests. An unknown key or a
bad value is an error of `python manage.py check`. What few projects change stands in
a dict of its own, under the key [`TUNING`](#tuning).
"""


def make() -> str:
    """Return the page."""
    parts = [INTRO]
    group = ""
    for module in MODULES:
        source = (CONF / module).read_text(encoding="utf-8")
        for node in properties(ast.parse(source)):
            found = group_above(source.splitlines(), node.lineno)
            if found != group:
                group = found
                parts.append(f"## {group}\n")
            parts.append(section(node))
    return "\n".join(parts)


def properties(tree: ast.Module) -> list[ast.FunctionDef]:
    """Return the definitions of the settings, in their order."""
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef))
    return [
        node
        for node in body
        if isinstance(node, ast.FunctionDef) and node.name.isupper()
    ]


def group_above(lines: list[str], lineno: int) -> str:
    """Return the nearest comment above a line that stands for a group."""
    for line in reversed(lines[:lineno]):
        if match := GROUP.fullmatch(line):
            return match[1]
    raise ValueError(f"{CONF.name}: no comment names the group of line {lineno}.")


def is_tuned(node: ast.FunctionDef) -> bool:
    """Return whether a setting is read from the dict under ``TUNING``."""
    return "self._tuned(" in ast.unparse(node)


def section(node: ast.FunctionDef) -> str:
    """Return the section of one setting."""
    text = inspect.cleandoc(ast.get_docstring(node) or "").replace("``", "`")
    kind = ast.unparse(node.returns).replace("'", '"') if node.returns else "Any"
    place = ", under `TUNING`" if is_tuned(node) else ""
    return f"### {node.name}\n\nType: `{kind}`{place}\n\n{text}\n"


if __name__ == "__main__":
    PAGE.write_text(make(), encoding="utf-8")
    print(f"Wrote {PAGE.name}.")
