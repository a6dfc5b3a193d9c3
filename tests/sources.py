"""What the code of the app touches, as its sources say."""

from __future__ import annotations

import ast
import dis
import importlib
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import chatkit_images
from tests.test_layers import ROOT, modules

PACKAGE = chatkit_images.__name__


@cache
def tree(path: Path) -> ast.Module:
    """Return the code of a module without its annotations, which nobody runs."""
    found = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(found):
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
    return found


@cache
def nodes(path: Path) -> list[ast.AST]:
    """Return all there is in that code: to find it takes longer than to look."""
    return list(ast.walk(tree(path)))


def is_private(name: str) -> bool:
    # Enumerations have documented names between underscores, such as ``_value_``.
    return name.startswith("_") and not (name.startswith("__") or name.endswith("_"))


def defined(node: ast.AST) -> set[str]:
    """Return what code defines: functions, classes, variables and attributes."""
    names = set()
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(part.name)
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            names.add(part.id)
        elif isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
            names.add(part.attr)
    return names


def users(word: str) -> list[str]:
    """Return the files of the app in which a name stands."""
    return index().get(word, [])


@cache
def index() -> dict[str, list[str]]:
    """Return the files of the app in which each name stands."""
    files: dict[str, list[str]] = {}
    for path in modules().values():
        names = {word for node in nodes(path) for word in words(node)}
        for name in names:
            files.setdefault(name, []).append(path.relative_to(ROOT).as_posix())
    return files


def words(node: ast.AST) -> list[str]:
    """Return the names that a piece of code touches."""
    match node:
        case ast.Attribute(attr=name) | ast.FunctionDef(name=name):
            return [name]
        case ast.AsyncFunctionDef(name=name) | ast.Name(id=name):
            return [name]
        case ast.ImportFrom(module=module, level=0, names=names):
            return [*(module or "").split("."), *(alias.name for alias in names)]
        case ast.Call(func=ast.Name(id="getattr" | "setattr" | "hasattr"), args=args):
            return [str(arg.value) for arg in args if isinstance(arg, ast.Constant)]
    return []


def touched() -> Iterator[tuple[str, str]]:
    """Yield private names of others that the app uses, and the file."""
    each = {path: defined(tree(path)) for path in modules().values()}
    ours = set().union(*each.values())
    for path in modules().values():
        mine = each[path]
        for node in nodes(path):
            # A base may be in another module; what it may not be is foreign, see below.
            known = ours if _is_own(node) else mine
            for word in filter(is_private, words(node)):
                if word not in known:
                    yield word, path.name


def _is_own(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and (
        isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
    )


def overridden() -> Iterator[tuple[str, str]]:
    """Yield private names that a class of the app's and a foreign base both define."""
    for name, path in modules().items():
        classes = [node for node in tree(path).body if isinstance(node, ast.ClassDef)]
        if not classes or name.startswith("testing.contracts"):
            continue
        try:
            module = importlib.import_module(
                f"{PACKAGE}.{name}".removesuffix(".__init__")
            )
        except ModuleNotFoundError:
            continue  # It needs an extra that is not installed.
        for node in classes:
            theirs: set[str] = set()
            for base in getattr(module, node.name).__mro__:
                if base.__module__.split(".")[0] != PACKAGE:
                    theirs |= set(vars(base)) | stored(base)
            for word in filter(is_private, defined(node) & theirs):
                yield word, path.name


@cache
def stored(base: type) -> set[str]:
    """Return the attributes that the methods of a class give its instances."""
    methods = [getattr(value, "__func__", value) for value in vars(base).values()]
    return {
        str(step.argval)
        for method in methods
        if inspect.isfunction(method)
        for step in dis.get_instructions(method)
        if step.opname == "STORE_ATTR"
    }
