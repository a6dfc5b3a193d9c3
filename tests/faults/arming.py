"""A fault at a named step of a process, armed by an environment variable."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import inspect
import itertools
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Literal

VARIABLE = "CHATKIT_FAULT"
# A step that is held waits so long for the test, at most.
PATIENCE = 60


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and where.

    Attributes:
        at: Dotted path of a function or method, or ``sql:`` and a pattern for the
            statements that the database executes.
        when: Whether it happens before the step or after it.
        action: ``"kill"`` ends the process by SIGKILL, ``"raise"`` raises an
            ``OSError``, ``"hang"`` waits too long for anybody, ``"hold"`` makes the
            file ``reached`` in the world and waits for the file ``go``.
        call: The how manieth call it is.
        holding: SHA-256 of bytes, or of a file, that one of the arguments must be.
        naming: What one of the arguments must have in it, or be of the type of.
    """

    at: str
    when: Literal["before", "after"] = "before"
    action: Literal["kill", "raise", "hang", "hold"] = "kill"
    call: int = 1
    holding: str = ""
    naming: str = ""

    def dump(self) -> str:
        """Return the value of the environment variable."""
        return json.dumps(asdict(self))

    def happen(self) -> None:
        """Let it go wrong."""
        if self.action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.action == "raise":
            raise OSError(f"A fault {self.when} {self.at}.")
        world = Path(os.environ["CHATKIT_FAULTS_WORLD"])
        (world / "reached").touch()
        deadline = time.monotonic() + PATIENCE
        while self.action == "hang" or not (world / "go").exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"Nobody released {self.at}.")
            time.sleep(0.01)


def arm() -> None:
    """Arm the fault that the environment names, if it names one."""
    text = os.environ.get(VARIABLE)
    if not text:
        return
    fault = Fault(**json.loads(text))
    if fault.at.startswith("sql:"):
        _arm_database(fault, re.compile(fault.at.removeprefix("sql:")))
    else:
        _arm_function(fault)


def sha256(data: bytes) -> str:
    """Return the digest that a fault names bytes by."""
    return hashlib.sha256(data).hexdigest()


def _arm_function(fault: Fault) -> None:
    owner, name = _resolve(fault.at)
    original = getattr(owner, name)
    calls = itertools.count(1)

    def due(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        values = [*args, *kwargs.values()]
        if fault.holding and not any(_digest(v) == fault.holding for v in values):
            return False
        if fault.naming and not any(_is_named(v, fault.naming) for v in values):
            return False
        return next(calls) == fault.call

    wrapper = _wrap(original, fault, due)
    setattr(owner, name, wrapper)
    # Other modules may have imported it by its name.
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("chatkit_images"):
            for key, value in list(vars(module).items()):
                if value is original:
                    setattr(module, key, wrapper)


def _wrap(
    original: Callable[..., Any], fault: Fault, due: Callable[..., bool]
) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(original):

        @wraps(original)
        async def later(*args: Any, **kwargs: Any) -> Any:
            is_due = due(args, kwargs)
            if is_due and fault.when == "before":
                await asyncio.to_thread(fault.happen)
            value = await original(*args, **kwargs)
            if is_due and fault.when == "after":
                await asyncio.to_thread(fault.happen)
            return value

        return later

    @wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        is_due = due(args, kwargs)
        if is_due and fault.when == "before":
            fault.happen()
        value = original(*args, **kwargs)
        if is_due and fault.when == "after":
            fault.happen()
        return value

    return wrapper


def _resolve(path: str) -> tuple[Any, str]:
    """Return the module or class that an attribute is in, and its name there."""
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            owner: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:-1]:
            owner = getattr(owner, part)
        return owner, parts[-1]
    raise LookupError(f"There is no {path}.")


def _digest(value: Any) -> str:
    if isinstance(value, bytes):
        return sha256(value)
    # What is on its way to a storage.
    if hasattr(value, "chunks") and isinstance(content := value.read(), bytes):
        value.seek(0)
        return sha256(content)
    if isinstance(value, Path) and value.is_file():
        return sha256(value.read_bytes())
    return ""


def _is_named(value: Any, name: str) -> bool:
    return type(value).__name__ == name or (isinstance(value, str) and name in value)


def _arm_database(fault: Fault, pattern: re.Pattern[str]) -> None:
    from django.db.backends.signals import connection_created

    calls = itertools.count(1)

    def execute(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        is_due = bool(pattern.search(f"{sql} {params}")) and next(calls) == fault.call
        if is_due and fault.when == "before":
            fault.happen()
        value = execute(sql, params, many, context)
        if is_due and fault.when == "after":
            fault.happen()
        return value

    def watch(connection: Any, **kwargs: Any) -> None:
        if execute not in connection.execute_wrappers:
            connection.execute_wrappers.append(execute)

    connection_created.connect(watch, weak=False)
