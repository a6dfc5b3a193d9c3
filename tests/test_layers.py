"""Imports go down: the table of the design, held against the code."""

from __future__ import annotations

import ast
from pathlib import Path

import chatkit_images

ROOT = Path(chatkit_images.__file__).parent
# Module or package by layer; a module may import lower layers and its own.
LAYERS = {
    0: "conf exceptions context run_state database imaging storage url_tokens signals",
    1: "querysets models signal_handlers",
    2: "file_urls receiving queries store attachment_store converters agents",
    3: "protocol server runs upkeep integrity",
    4: "views consumers",
    5: "urls routing admin management checks apps",
}
LAYER = {name: layer for layer, names in LAYERS.items() for name in names.split()}


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in sorted(ROOT.rglob("*.py"))
        if "migrations" not in path.parts
    }


def imports(name: str, path: Path) -> list[tuple[str, ast.stmt]]:
    """Return the modules of the package that a module imports, with the statement."""
    package = name.split(".")[:-1]
    if path.name == "__init__.py":
        package = name.removesuffix(".__init__").split(".")
        package = [] if package == ["__init__"] else package
    known = set(modules())
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
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


def type_only(path: Path) -> set[int]:
    """Return the lines under ``if TYPE_CHECKING``, which import nothing."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text())):
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
        tree = ast.parse(path.read_text())
        for function in ast.walk(tree):
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
        name: len(path.read_text().splitlines())
        for name, path in modules().items()
        if len(path.read_text().splitlines()) > 300
    }
    assert sizes == {}
