"""What ``make_fixture.py`` has written: rows, files and logs of an earlier revision."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

FIXTURE = Path(__file__).resolve().parent / "fixture"


def _read(name: str) -> Any:
    text = (FIXTURE / name).read_text(encoding="utf-8")
    # That revision served an SVG without its type, so no page could show it.
    return json.loads(text.replace("200 application/octet-stream", "200 image/svg+xml"))


MANIFEST = _read("manifest.json")
ROWS: dict[str, list[dict[str, Any]]] = _read("rows.json")
LOGS: dict[str, Any] = _read("redis.json")


def _renamed() -> Any:
    """Return what that revision answered, with today's ids of images.

    It named an image by the provider's id of the call, which was unique in a thread.
    """
    keys = {
        (row["thread_id"], row["call_id"]): UUID(row["id"]).hex
        for row in ROWS["chatkit_images.GeneratedImage"]
    }
    answers = _read("answers.json")
    for threads in answers.values():
        for key, answer in threads.items():
            for item in answer["items"]:
                if image := item.get("image"):
                    image["id"] = f"img_{keys[key, image['id']]}"
    return answers


def _shown() -> Any:
    """Return what that revision answered for images, and the previews of failed ones.

    It did not show what it had kept of them.
    """
    images = _read("images.json")
    for row in ROWS["chatkit_images.GeneratedImage"]:
        if row["status"] == "failed" and row["file"]:
            known = MANIFEST["files"][f"storage/{row['file']}"]
            said = f"200 {row['mime']} {known['sha256']}"
            images[row["id"]] = dict.fromkeys(images[row["id"]], said)
    return images


# What that revision answered each person, by name and thread.
ANSWERS: dict[str, dict[str, Any]] = _renamed()
# And what it answered the owner of each image, by its key and variant.
IMAGES: dict[str, dict[str, str]] = _shown()
REVISION: str = MANIFEST["revision"]
# The last of its migrations.
HEAD: str = MANIFEST["migrations"][-1]
OWNERS = {key: name for name, threads in ANSWERS.items() for key in threads}
# The runs that it left in the middle: one is silent for long, one has just been read.
DEAD, FOLLOWED = sorted(
    (run for run in ROWS["chatkit_images.Run"] if run["status"] == "running"),
    key=lambda run: run["heartbeat_at"],
)


def threads() -> list[Any]:
    """Return the ids of all threads, as parameters of a test."""
    return [
        pytest.param(key, id=f"{name}-{answer['title'] or 'untitled'}-{key[-4:]}")
        for name, answers in ANSWERS.items()
        for key, answer in answers.items()
    ]


def rows(model: str, **fields: Any) -> list[dict[str, Any]]:
    """Return the rows of a model of the app that have some values."""
    return [
        row
        for row in ROWS[f"chatkit_images.{model}"]
        if all(row[name] == value for name, value in fields.items())
    ]


def put_files(storage: Path, spool: Path) -> None:
    """Put the files in their places, each as old as it was."""
    for name, known in MANIFEST["files"].items():
        place, _, rest = name.partition("/")
        path = {"storage": storage, "spool": spool}[place] / rest
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(FIXTURE / name, path)
        then = time.time() - known["age"]
        os.utime(path, (then, then))


def digests() -> dict[str, str]:
    """Return the SHA-256 of each file by its name in the storage."""
    return {
        name.partition("/")[2]: known["sha256"]
        for name, known in MANIFEST["files"].items()
    }
