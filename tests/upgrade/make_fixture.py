"""Makes the fixture again: ``python tests/upgrade/make_fixture.py [REVISION]``.

It takes the code of the revision out of git and lets it fill a database, a storage and
a Redis; what they hold then is written to ``tests/upgrade/fixture``. It needs the
packages of the tests, and a Redis at ``REDIS_URL``.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FIXTURE = HERE / "fixture"
REVISION = "b58cde3"


def git(*words: str) -> bytes:
    """Return what git says.

    Raises:
        subprocess.CalledProcessError: If the history has no such revision.
    """
    command = ["git", "-C", str(ROOT), *words]
    return subprocess.run(command, check=True, capture_output=True).stdout


def extract(revision: str, target: Path) -> str:
    """Write the files of a revision to a folder and return its full name."""
    full = git("rev-parse", "--verify", f"{revision}^{{commit}}").decode().strip()
    with tarfile.open(fileobj=io.BytesIO(git("archive", full))) as archive:
        archive.extractall(target, filter="data")
    return full


def main(revision: str) -> None:
    """Replace the fixture."""
    with tempfile.TemporaryDirectory() as scratch:
        tree, work, made = (Path(scratch) / name for name in ("tree", "work", "made"))
        for folder in (tree, work, made):
            folder.mkdir()
        full = extract(revision, tree)
        environment = os.environ | {
            "FILLER_DIRECTORY": str(work),
            "PYTHONPATH": str(tree),
            "REDIS_URL": os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"),
            # ChatKit warns of its own widgets while it is imported.
            "PYTHONWARNINGS": "ignore::DeprecationWarning",
        }
        environment.pop("TEST_DATABASE", None)
        script = HERE / "filling" / "fill.py"
        command = [sys.executable, str(script), str(made), full]
        subprocess.run(command, cwd=tree, env=environment, check=True)
        shutil.rmtree(FIXTURE, ignore_errors=True)
        shutil.copytree(made, FIXTURE)
    size = sum(path.stat().st_size for path in FIXTURE.rglob("*") if path.is_file())
    print(f"{FIXTURE.relative_to(ROOT)} is made by {full}: {size:,} bytes.")


if __name__ == "__main__":
    main(*(sys.argv[1:] or [REVISION]))
