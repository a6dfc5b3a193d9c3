"""The interpreter of the projects, which has the app from its wheel."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

from .processes import SHELL

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ("chatkit_images", "pyproject.toml", "setup.py", "README.md", "LICENSE")
EXTRAS = "mysql,postgres,redis"
# What the kinds need beside the app and its extras, as tox.ini has it.
PACKAGES = {
    "corsheaders": "django-cors-headers",
    "oauth2_provider": "django-oauth-toolkit",
    "django_tenants": "django-tenants",
    "rest_framework": "djangorestframework",
    "uvicorn": "uvicorn",
}
LOOK = f"""
from importlib.util import find_spec
assert "site-packages" in find_spec("chatkit_images").origin
assert all(map(find_spec, {[*PACKAGES, "MySQLdb"]}))
"""


def interpreter(shared: Path) -> Path:
    """Return this interpreter if tox has installed the wheel, else one that is made.

    Args:
        shared: A directory of all test processes.
    """
    found = subprocess.run(
        [sys.executable, "-I", "-c", LOOK],
        cwd=shared,
        env=SHELL,
        capture_output=True,
    )
    if found.returncode == 0:
        return Path(sys.executable)
    venv = shared / "venv"
    with (shared / "venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (venv / "ready").exists():
            wheel = build(shared / "wheel")
            install(venv, f"{wheel}[{EXTRAS}]", *PACKAGES.values())
            (venv / "ready").touch()
    return venv / "bin" / "python"


def build(scratch: Path) -> Path:
    """Build the wheel in a directory, and return its path."""
    # A build writes into its directory.
    tree = scratch / "tree"
    tree.mkdir(parents=True)
    for name in SOURCES:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, tree / name)
    pip = (sys.executable, "-m", "pip", "--quiet")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", str(scratch), str(tree))
    (wheel,) = scratch.glob("*.whl")
    return wheel


def install(venv: Path, *requirements: str) -> None:
    """Make a virtual environment, and install requirements there."""
    run(sys.executable, "-m", "venv", str(venv))
    pip = (str(venv / "bin" / "python"), "-m", "pip", "--quiet")
    run(*pip, "install", *requirements)


def run(*command: str) -> None:
    """Run a command, and show what it says if it fails."""
    # With a PYTHONPATH pip would find the app installed there.
    done = subprocess.run(command, capture_output=True, text=True, env=SHELL)
    assert done.returncode == 0, done.stdout + done.stderr
