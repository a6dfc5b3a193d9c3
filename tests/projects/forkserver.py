"""A server of the projects' processes: what each of them imports is imported once.

It runs in the projects' interpreter, as a file, and imports nothing of this
repository. It reads requests from its standard input, one line of JSON each, and
answers each with a line. A child begins as the command in its request would: in its
directory, with its environment, and with ``sys.path`` and ``sys.argv`` as Python makes
them. Django and the app are set up in the child.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import sys
import time
import traceback
from contextlib import suppress
from typing import Any, NoReturn

# Third parties only, and nothing that reads an environment or starts a thread.
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
    "openai.resources.responses",
    "PIL.Image",
    "PIL.WebPImagePlugin",
    "psycopg",
    "redis.asyncio",
    "twisted.internet.asyncioreactor",
    "twisted.web.http",
    "uvicorn",
)
POLL = 0.005
PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve requests until the standard input ends."""
    # Where this file is, no project looks for modules.
    del sys.path[0]
    for name in PRELOADED:
        importlib.import_module(name)
    # Else each child looks for garbage among all of this, and copies it for that.
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer({"status": wait(request["wait"], request["seconds"])})
            continue
        pid = os.fork()
        if not pid:
            begin(**request)
        answer({"pid": pid})


def wait(pid: int, seconds: float) -> int | None:
    """Return how a child has ended: its exit code, or minus its signal.

    It is ``None`` if it has not ended in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(POLL)


def begin(
    command: list[str], directory: str, environment: dict[str, str], log: str
) -> NoReturn:
    """Do what a command of Python's does, and end the process."""
    code = 1
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(environment)
        nothing = os.open(os.devnull, os.O_RDONLY)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        sys.path.insert(0, directory)
        if command[0] == "-m":
            sys.argv = command[1:]
            runpy.run_module(command[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = command
            runpy.run_path(command[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BrokenPipeError):
            sys.stdout.flush()
            sys.stderr.flush()
        # No handler of the parent's may run in its child.
        os._exit(code)


def answer(value: dict[str, Any]) -> None:
    """Write a line to whoever asked."""
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
