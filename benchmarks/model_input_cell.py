"""One long thread in a process of its own, its figures of each turn as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import project
import pybase64
from django.core.files.storage import FileSystemStorage
from django.db.backends.utils import CursorWrapper


class CountingStorage(FileSystemStorage):
    """Files on disk. It counts what is read."""

    def _open(self, name: str, mode: str = "rb") -> Any:
        if "w" not in mode:
            WORK.files += 1
            WORK.read += self.size(name)
        return super()._open(name, mode)


@dataclass
class Work:
    """What the process has done so far.

    Attributes:
        statements: To the database.
        files: Read from the storage.
        read: Bytes of them.
        encoded: Images that were written as base64.
    """

    statements: int = 0
    files: int = 0
    read: int = 0
    encoded: int = 0


@dataclass
class Turn:
    """What the input of a turn has taken.

    Attributes:
        milliseconds: From the history until the model had the request.
        sent: Bytes of the input, as JSON.
        items: How many items it has.
        equal: How many items of the input before stand at its beginning.
        work: What was done until the input was there.
    """

    sent: int
    items: int
    equal: int
    work: Work
    milliseconds: float = 0.0


@dataclass
class Meter:
    """Measures the inputs of a thread's turns."""

    turns: list[Turn] = field(default_factory=list)
    _last: list[str] = field(default_factory=list)
    _began: float = 0.0
    _before: Work = field(default_factory=Work)

    def begin(self) -> None:
        """Begin with the input of a turn."""
        self._began, self._before = time.perf_counter(), Work(**vars(WORK))

    def end(self, given: list[Any]) -> None:
        """Note what it took to make an input."""
        ended, before = time.perf_counter(), vars(self._before)
        done = {name: value - before[name] for name, value in vars(WORK).items()}
        found = [json.dumps(item) for item in given]
        equal = 0
        for one, other in zip(self._last, found, strict=False):
            if one != other:
                break
            equal += 1
        sent = sum(map(len, found))
        self.turns.append(Turn(sent, len(found), equal, Work(**done)))
        self._last = found
        # What this has taken is not the input's.
        self._began += time.perf_counter() - ended

    def arrived(self) -> None:
        """Note that the model has the request."""
        self.turns[-1].milliseconds = (time.perf_counter() - self._began) * 1000


WORK = Work()
METER = Meter()


def count() -> None:
    """Have the database and the encoder counted."""
    execute, encode = CursorWrapper.execute, pybase64.b64encode_as_string

    def executed(self: Any, *args: Any) -> Any:
        WORK.statements += 1
        return execute(self, *args)

    def encoded(*args: Any, **options: Any) -> str:
        WORK.encoded += 1
        return encode(*args, **options)

    CursorWrapper.execute = executed  # type: ignore[method-assign]
    pybase64.b64encode_as_string = encoded


def main() -> None:
    """Hold the thread that the argument, a JSON object, describes."""
    cell = json.loads(sys.argv[1])
    folder = Path(cell["folder"])
    storage = {
        "BACKEND": "model_input_cell.CountingStorage",
        "OPTIONS": {"location": str(folder / "media"), "base_url": "/media/"},
    }
    project.configure(
        folder,
        STORAGES={"default": storage, "chatkit_images": storage},
        CHATKIT_IMAGES={
            "BASE_URL": "http://testserver",
            "LIMITS": None,
            # Uploads want to know whose they are.
            "SERVER": "chatkit_images.server.DjangoChatKitServer",
        },
    )
    if cell["variant"] == "app":
        project.create_database()
    # Imported once Django is set up, as models need it.
    from model_input_threads import THREADS, hold

    count()
    asyncio.run(hold(THREADS[cell["variant"]](METER), cell, METER))
    print(json.dumps([asdict(turn) for turn in METER.turns]))


if __name__ == "__main__":
    # Django imports the storage of the settings from this module by its name.
    sys.modules["model_input_cell"] = sys.modules["__main__"]
    main()
