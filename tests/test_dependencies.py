"""What the app imports is named in ``pyproject.toml``; what is optional is guarded."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
import tomllib
from functools import cache

import pytest

from tests.sources import PACKAGE, nodes
from tests.test_layers import ROOT, modules

PROJECT = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["project"]
# What is imported under another name than pip knows it by.
DISTRIBUTIONS = {
    "agents": "openai-agents",
    "chatkit": "openai-chatkit",
    "PIL": "pillow",
    "opentelemetry": "opentelemetry-api",
    "storages": "django-storages",
}
# Imports everything without what the extras bring, and tells where that has failed.
WITHOUT = """
import importlib, sys
blocked, modules = [part.split(",") for part in sys.argv[1:]]
sys.modules.update(dict.fromkeys(blocked))
import django
django.setup()
for name in modules:
    try:
        importlib.import_module(name)
    except ImportError:
        print(name)
"""


def named(requirements: list[str]) -> set[str]:
    return {
        re.match(r"[\w.-]+", requirement)[0].lower()  # type: ignore[index]
        for requirement in requirements
    }


# What openai-agents has among its own, whose packages import it in any case.
BROUGHT = {"opentelemetry-api"}
HARD = named(PROJECT["dependencies"])
EXTRAS = {
    extra: named(requirements)
    for extra, requirements in PROJECT["optional-dependencies"].items()
}


@cache
def imports(name: str) -> list[tuple[str, str, bool]]:
    """Return what a module imports of others, its distribution, and whether guarded."""
    code = nodes(modules()[name])
    others = []
    guarded = {
        id(part)
        for node in code
        if isinstance(node, ast.Try)
        and any("ImportError" in ast.unparse(handler) for handler in node.handlers)
        for part in ast.walk(node)
    }
    for node in code:
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found = [node.module or ""]
        for full in found:
            top = full.partition(".")[0]
            if top not in {*sys.stdlib_module_names, PACKAGE}:
                distribution = DISTRIBUTIONS.get(top, top).replace("_", "-").lower()
                others.append((top, distribution, id(node) in guarded))
    return others


def dotted(name: str) -> str:
    return f"{PACKAGE}.{name}".removesuffix(".__init__")


def test_what_is_imported_is_named() -> None:
    known = HARD.union(*EXTRAS.values())
    found = {(dist, name) for name in modules() for _, dist, _ in imports(name)}
    assert sorted(use for use in found if use[0] not in known) == []
    assert {dist for dist, _ in found} >= HARD - {"daphne"}, "One is never imported."


def test_each_requirement_has_a_floor_and_fast_movers_a_bound() -> None:
    bare = [name for name in PROJECT["dependencies"] if ">=" not in name]
    # pydantic names the only release that fits.
    assert bare == ["pydantic-core"]
    bounded = named([name for name in PROJECT["dependencies"] if "<" in name])
    sdks = {name for name in HARD if name.startswith("openai")}
    assert bounded == sdks | {"httpx2", "pydantic"}


def test_without_the_extras_only_what_is_made_of_them_fails() -> None:
    optional = set().union(*EXTRAS.values()) - HARD - BROUGHT
    blocked, made_of_them = set(), set()
    for name in modules():
        for top, distribution, is_guarded in imports(name):
            if distribution in optional:
                blocked.add(top)
                if not is_guarded:
                    made_of_them.add(dotted(name))
    names = [dotted(name) for name in modules()]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, ",".join(blocked), ",".join(names)],
        capture_output=True,
        text=True,
        check=True,
    )
    # A package that is made of them takes its modules along.
    failed = {
        name
        for name in done.stdout.split()
        if name in made_of_them or name.rpartition(".")[0] not in made_of_them
    }
    assert failed == made_of_them


def test_tox_says_which_python_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    toxfile = str(ROOT.parent / "toxfile.py")
    needed = PROJECT["requires-python"].removeprefix(">=")
    runpy.run_path(toxfile)
    monkeypatch.setattr(sys, "version_info", (3, 10, 13))
    with pytest.raises(SystemExit, match=f"needs Python {needed} or later.* 3.10"):
        runpy.run_path(toxfile)
