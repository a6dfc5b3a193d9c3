"""Each page, followed as its reader would in an environment of its own pip lines.

A page without one has what the README installs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, block, blocks
from tests.docs.projects import append_page
from tests.projects.environment import build, install
from tests.projects.processes import SHELL

PIP = re.compile(r"(?:^|`)pip install ([^\n`]+)", re.MULTILINE)
# A file that is JSON, and so cannot say its own name.
FILE = re.compile(r"such as this `([\w/.]+)`.*?^```json\n(.*?)^```", re.DOTALL | re.M)
# What a page asks of a database server on this machine, and how it is undone.
DATABASE = re.compile(r'^mariadb -e "CREATE DATABASE (\w+) .+"$', re.MULTILINE)
# What a page puts into the environment of a shell.
EXPORT = re.compile(r"^export [A-Z_0-9]+=.+$", re.MULTILINE)
README = PAGES[0]
READER = Path(__file__).with_name("reader.py")
# Installed apps that a page asks for in its words.
APPS = {
    "tokens.md": ["rest_framework", "rest_framework.authtoken", "oauth2_provider"],
}
# Followed to the image by tests/docs, each in a project that has it alone.
ELSEWHERE = {README.name, "tutorial.md", "hand-over.md"}
FOLLOWED = [
    page
    for page in PAGES
    if page.name not in ELSEWHERE
    and any(part.page == page for part in blocks("python"))
]


def requirements(page: Path) -> list[str]:
    """Return what the pip lines of a page install."""
    found = PIP.findall(page.read_text(encoding="utf-8"))
    words = {word.strip('"') for line in found for word in line.split()}
    words -= {"tox", "chatkit-images"}
    if not any(word.startswith("chatkit-images") for word in words):
        words.add("chatkit-images[testing]")
    return sorted(words)


@pytest.fixture(scope="session")
def environment_of(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Path], Path]:
    """What makes an environment of a page's pip lines, with the wheel."""
    scratch = tmp_path_factory.mktemp("environments")
    wheel = build(scratch / "wheel")
    made: dict[tuple[str, ...], Path] = {}

    def environment(page: Path) -> Path:
        wanted = tuple(requirements(page))
        if wanted not in made:
            venv = scratch / f"venv-{len(made)}"
            install(venv, *(w.replace("chatkit-images", str(wheel)) for w in wanted))
            made[wanted] = venv / "bin" / "python"
        return made[wanted]

    return environment


@pytest.fixture
def databases() -> Iterator[Callable[[Path], None]]:
    """What makes the databases of a page; those that were not there are dropped."""
    made = []

    def make(page: Path) -> None:
        for match in DATABASE.finditer(page.read_text(encoding="utf-8")):
            done = subprocess.run(["bash", "-c", match[0]], capture_output=True)
            if done.returncode == 0:
                made.append(match[1])

    yield make
    for name in made:
        subprocess.run(["mariadb", "-e", f"DROP DATABASE {name}"], check=True)


@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: page.name)
def test_page_can_be_followed(
    page: Path,
    tmp_path: Path,
    environment_of: Callable[[Path], Path],
    record_property: Callable[[str, object], None],
    databases: Callable[[Path], None],
) -> None:
    databases(page)
    python = str(environment_of(page))
    parts = [part for part in blocks("python") if part.page == page]
    row = [page.name, " ".join(requirements(page)), len(parts)]
    subprocess.run(
        [python, "-m", "django", "startproject", "shop", str(tmp_path)], check=True
    )
    append_page(README.name, tmp_path)
    for name, text in FILE.findall(page.read_text(encoding="utf-8")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    given = {
        "apps": APPS.get(page.name, []),
        "blocks": [
            {"line": part.line, "name": part.name, "text": part.text} for part in parts
        ],
    }
    exports = EXPORT.findall(page.read_text(encoding="utf-8"))
    path = f"{Path(python).parent}{os.pathsep}{SHELL['PATH']}"
    done = subprocess.run(
        ["bash", "-c", "\n".join([*exports, 'exec python "$0"']), READER],
        cwd=tmp_path,
        env=SHELL | {"OPENAI_API_KEY": "loopback", "PATH": path},
        input=json.dumps(given),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    wrong = json.loads(done.stdout.splitlines()[-1])
    if page.name == "testing.md":
        wrong |= run_tests(tmp_path, python)
    record_property("page", [*row, len(parts) - len(wrong)])
    told = "\n".join(f"--- {page.name}:{line}\n{text}" for line, text in wrong.items())
    assert not wrong, told


def run_tests(directory: Path, python: str) -> dict[str, str]:
    """Run the tests that the page has written, and return what those that fail say."""
    config, _ = blocks("toml")
    (directory / config.name).write_text(config.text)
    server = block("install.md", "The server").text
    (directory / "shop" / "chat.py").write_text(server)
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, cwd=directory, env=SHELL, capture_output=True, text=True
    )
    return {"pytest": done.stdout + done.stderr} if done.returncode else {}
