"""Imports go down: the table of the design, held against the code."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import chatkit_images

ROOT = Path(chatkit_images.__file__).parent
# Module or package by layer; a module may import lower layers and its own.
LAYERS = {
    0: "conf exceptions addresses visitors url_state context context_rows contexts"
    " run_state database transactions imaging storage url_windows url_tokens signals"
    " times cleaning failures awaiting periods breaker timing fetching webhooks"
    " verdicts prices",
    1: "keysets lookups querysets deleted_files models",
    2: "file_urls notes receiving signal_handlers queries late_thumbnails inline_images"
    " store attachment_store presigned_uploads converters agents reports",
    3: "protocol server runs maintenance doctor exchange",
    4: "views consumers",
    5: "urls routing admin templatetags management checks apps",
}
# Lines above which a module has two subjects, and is parted.
MOST_LINES = 250
LAYER = {name: layer for layer, names in LAYERS.items() for name in names.split()}


@cache
def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in sorted(ROOT.rglob("*.py"))
        if "migrations" not in path.parts
    }


@cache
@cache
def nodes(path: Path) -> list[ast.AST]:
    """Return all that stands in a module."""
    return list(ast.walk(ast.parse(path.read_text())))


@cache
def imports(name: str, path: Path) -> list[tuple[str, ast.stmt]]:
    """Return the modules of the package that a module imports, with the statement."""
    package = name.split(".")[:-1]
    if path.name == "__init__.py":
        package = name.removesuffix(".__init__").split(".")
        package = [] if package == ["__init__"] else package
    known = set(modules())
    found = []
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1]
            elif (node.module or "").startswith("chatkit_images"):
                base = []
            else:
                continue
            parts = (node.module or "").split(".") if node.module else []
            if not node.level:
                parts = parts[1:]
            target = [*base, *parts]
            for alias in node.names:
                deep = ".".join([*target, alias.name])
                is_module = deep in known or f"{deep}.__init__" in known
                found.append((deep if is_module else ".".join(target), node))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("chatkit_images"):
                    found.append((alias.name.partition(".")[2], node))
    return found


@cache
def type_only(path: Path) -> set[int]:
    """Return the lines under ``if TYPE_CHECKING``, which import nothing."""
    lines: set[int] = set()
    for node in nodes(path):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            lines.update(range(node.lineno, (node.end_lineno or 0) + 1))
    return lines


def test_every_module_has_a_layer() -> None:
    names = {name.split(".")[0] for name in modules()} - {"__init__", "testing"}
    assert names == set(LAYER)


def test_imports_go_down() -> None:
    wrong = []
    for name, path in modules().items():
        top = name.split(".")[0]
        if top not in LAYER:
            continue
        skipped = type_only(path)
        for target, node in imports(name, path):
            other = target.split(".")[0]
            if not other or node.lineno in skipped:
                continue
            if other == "testing" or LAYER.get(other, 0) > LAYER[top]:
                wrong.append(f"{name} imports {target}")
    assert wrong == []


def test_nothing_is_imported_in_a_circle() -> None:
    graph = {
        name.removesuffix(".__init__"): {
            target
            for target, node in imports(name, path)
            if target and node.lineno not in type_only(path)
        }
        for name, path in modules().items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name in done or name not in graph:
            return
        for target in graph[name] - {name}:
            # A package's own modules may name it to reach each other.
            if not name.startswith(f"{target}."):
                visit(target, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def test_functions_import_nothing_of_the_package() -> None:
    hidden = []
    for name, path in modules().items():
        for function in nodes(path):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                # An app's signals and checks can only be connected once it is ready.
                if (
                    isinstance(node, ast.ImportFrom)
                    and (node.level or (node.module or "").startswith("chatkit_images"))
                    and name != "apps"
                ):
                    hidden.append(f"{name}:{node.lineno}")
    assert hidden == []


def test_modules_stay_small() -> None:
    sizes = {
        name: len(path.read_text().splitlines()) for name, path in modules().items()
    }
    large = {name: size for name, size in sizes.items() if size > MOST_LINES}
    assert large == {}


def python_names(text: str) -> set[str]:
    """Return every name that a module defines, imports or uses."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        for field in ("name", "id", "attr", "arg", "asname", "module"):
            if isinstance(name := getattr(node, field, None), str):
                found.add(name)
    return found


def css_names(text: str) -> set[str]:
    """Return the classes, ids and custom properties of a style sheet."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return set(re.findall(r"(?:[.#]|--)([A-Za-z_][\w-]*)", text))


def html_names(text: str) -> set[str]:
    """Return the classes and ids in a template, and the blocks that it defines."""
    found = set(re.findall(r"{% block (\w+)", text))
    for value in re.findall(r"\b(?:class|id)=\"([^\"]*)\"", text):
        found.update(value.split())
    return found


def js_names(text: str) -> set[str]:
    """Return what a script declares."""
    return set(re.findall(r"\b(?:const|let|var|function|class)\s+(\w+)", text))


NAMES = {".py": python_names, ".css": css_names, ".html": html_names, ".js": js_names}


def test_what_a_model_generates_is_called_an_image() -> None:
    wrong, read = [], set()
    for path in sorted(ROOT.rglob("*")):
        if "__pycache__" in path.parts:
            continue
        names = {path.name}
        if path.suffix in NAMES:
            names |= NAMES[path.suffix](path.read_text(encoding="utf-8"))
            read.add(path.suffix)
        wrong += [
            f"{path.relative_to(ROOT)}: {name}"
            for name in sorted(names)
            if "picture" in name.lower()
        ]
    assert wrong == []
    assert read == set(NAMES)
