"""A server of processes: what every one of them imports is imported once.

``python -m tests.faults.forkserver`` reads requests from its standard input, one
line of JSON each, and answers each with a line. A child is a process like any other:
it reads its settings from its environment and dies by the signals it gets.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from openai.types import responses
from pydantic import BaseModel

# Third parties only: Django and the app begin in the child, with its environment.
PRELOADED = (
    "agents",
    # What Daphne has of others, without the reactor: that belongs to one process.
    "autobahn.twisted.websocket",
    "chatkit.agents",
    "chatkit.server",
    "chatkit.widgets",
    "django.contrib.admin.sites",
    "django.core.handlers.asgi",
    "django.core.management",
    "django.test",
    "openai.resources.responses",
    "PIL.Image",
    "PIL.WebPImagePlugin",
    "psycopg",
    "redis.asyncio",
    "storages.backends.s3",
    "twisted.internet.asyncioreactor",
    "twisted.web.http",
    "uvicorn",
)
POLL = 0.005
PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve requests until the standard input ends, then end every child."""
    for name in PRELOADED:
        # Not every project has every extra.
        with suppress(ImportError):
            importlib.import_module(name)
    for model in vars(responses).values():
        # The SDK's models are completed when they are used first.
        if isinstance(model, type) and issubclass(model, BaseModel):
            model.model_rebuild()
    # Else each child looks for garbage among all of this, and copies it for that.
    gc.collect()
    gc.freeze()
    children: set[int] = set()
    _answer({"ready": os.getpid()})
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _answer({"status": _wait(children, request["wait"], request["seconds"])})
            continue
        pid = os.fork()
        if not pid:
            _child(request)
        children.add(pid)
        _answer({"pid": pid})
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _wait(children: set[int], pid: int, seconds: float) -> int | None:
    """Return how a child has ended: its exit code, or minus its signal."""
    deadline = time.monotonic() + seconds
    while pid in children:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            children.discard(pid)
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            return None
        time.sleep(POLL)
    raise LookupError(f"{pid} is no child of this process.")


def _child(request: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        _die_with_parent()
        nothing = os.open(os.devnull, os.O_RDONLY)
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.environ.update(request["environment"])
        inside = importlib.import_module(request["inside"])
        value = inside.begin(request["target"], request["arguments"])
        if request["result"]:
            Path(request["result"]).write_text(json.dumps(value))
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        # Flushed by hand: no handler of the parent's may run in its child.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _answer(value: dict[str, Any]) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
