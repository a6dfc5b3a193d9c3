"""The app's scripts: where they are found, and that they are in the package."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

import chatkit_images

PACKAGE = Path(chatkit_images.__file__).parent
FETCH = "chatkit_images/chatkit-fetch.js"


def packaged() -> set[Path]:
    """Return the files that pyproject.toml adds to the modules."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["chatkit_images"]
    return {path for pattern in patterns for path in PACKAGE.glob(pattern)}


def test_the_module_is_found_with_what_it_imports() -> None:
    found = Path(finders.find(FETCH))
    assert found == PACKAGE / "static" / FETCH
    modules, read = {found.name}, set[str]()
    while waiting := modules - read:
        name = waiting.pop()
        script = Path(finders.find(f"chatkit_images/{name}"))
        modules |= set(re.findall(r'from "\./(.+)"', script.read_text("utf-8")))
        read.add(name)
    assert modules == {path.name for path in found.parent.glob("*.js")}


@pytest.mark.parametrize("folder", ["static", "templates"])
def test_every_file_is_packaged(folder: str) -> None:
    files = {path for path in (PACKAGE / folder).rglob("*") if path.is_file()}
    assert files
    assert files <= packaged()
