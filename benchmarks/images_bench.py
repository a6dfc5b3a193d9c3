"""The processes of a measurement of images: the model, and one for each cell."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


class Bench:
    """Runs cells, each in a fresh process with a fresh database and storage."""

    def __init__(self, folder: Path, rounds: int) -> None:
        self._folder = folder
        self._rounds = rounds
        # Migrated once and copied, which is quicker than migrating for each cell.
        template = self._new_folder()
        script = "import sys, pathlib, project; f = pathlib.Path(sys.argv[1]);"
        script += "project.configure(f); project.create_database()"
        run_python("-c", script, str(template))
        self._database = template / "db.sqlite3"

    def rounds(
        self, variants: Sequence[str], **cell: Any
    ) -> list[dict[str, dict[str, float]]]:
        """Return each round's figures by variant.

        The variants take turns, so that a noisy minute of the machine meets all, and
        figures of one round may be compared.
        """
        return [
            {name: self._measure(cell | {"variant": name}) for name in variants}
            for _ in range(self._rounds)
        ]

    def _measure(self, cell: dict[str, Any]) -> dict[str, float]:
        folder = self._new_folder()
        try:
            shutil.copy(self._database, folder / "db.sqlite3")
            argument = json.dumps(cell | {"folder": str(folder)})
            measured: dict[str, float] = json.loads(
                run_python(str(HERE / "cell.py"), argument).splitlines()[-1]
            )
            return measured
        finally:
            shutil.rmtree(folder)

    def _new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._folder))


@contextmanager
def model_server() -> Iterator[str]:
    """Run the model server in a process and yield its base URL."""
    command = [sys.executable, str(HERE / "replay.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            if not url:
                raise SystemExit("The model server did not start.")
            yield url
        finally:
            process.terminate()


def run_python(*args: str) -> str:
    """Run Python in this folder and return what it prints.

    Raises:
        SystemExit: If it failed; what it wrote is shown.
    """
    done = subprocess.run(
        [sys.executable, *args], cwd=HERE, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{done.stderr}\nA measurement failed: {args}")
    return done.stdout
