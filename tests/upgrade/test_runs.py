"""Runs of before the upgrade: read to their end, taken over, swept up."""

from __future__ import annotations

import hashlib
import io
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.management import call_command

from chatkit_images import models
from chatkit_images.runs.log import seals
from tests import services
from tests.client import message, of_type
from tests.servers.browsing import Browser, until
from tests.servers.test_resume import Numbered, begin, read, shown

from . import migrating, old
from .conftest import Upgrade
from .filling import answers
from .sides import NEW, Sides

# Longer than any test takes, and no rubbish afterwards.
LOG_SECONDS = 600
DAY = 24 * 3600
RUNS = {row["id"]: row for row in old.rows("Run")}
# What Redis has of each run; of a long one the beginning is a digest.
STREAMS = {
    key.rpartition(":")[2]: entries
    for key, entries in old.LOGS.items()
    if isinstance(entries, list)
}
WHOLE = [run for run, entries in STREAMS.items() if "end" in entries[-1][1]]
UNSEALED = next(
    run for run in WHOLE if f"chatkit_images:run:{run}:digest" not in old.LOGS
)


@pytest.fixture
def browser(
    transactional_db: None, upgrade: Upgrade, sides: Sides, model: Any
) -> Iterator[Browser]:
    """A browser at a server of today that begins on an upgraded site."""
    migrating.save(migrating.moved(upgrade.after))
    old.put_files(sides.files / "media", sides.files / "spool")
    url = services.redis()
    with pytest.importorskip("redis").Redis.from_url(url) as client:
        for key, value in old.LOGS.items():
            # At once: another test may be reading the same.
            with client.pipeline(transaction=True) as pipe:
                pipe.delete(key)
                for number, fields in value if isinstance(value, list) else ():
                    pipe.xadd(key, sealed(key, number, fields), id=number)
                if isinstance(value, str):
                    pipe.set(key, sealed_digest(key, value))
                pipe.expire(key, LOG_SECONDS)
                pipe.execute()
    server = sides.server(NEW)
    start = len(server.log.read_text())
    with Browser(server.url, User.objects.get(username="ann")) as found:
        yield found
    # Else the server would, while the tables are emptied.
    command("recover", "--all")
    assert server.troubles(start) == []


def run_of(key: str) -> uuid.UUID:
    return uuid.UUID(key.removesuffix(":digest").rpartition(":")[2])


def sealed(key: str, number: str, fields: dict[str, str]) -> dict[str, Any]:
    """Return an entry with the seal that a process of today wants to see.

    Those of one run are left as they were: processes of before sealed nothing.
    """
    if key.endswith(UNSEALED):
        return {**fields}
    kind: seals.Kind = "end" if "end" in fields else "chunk"
    data, place = fields[kind].encode(), int(number.partition("-")[0])
    return fields | {"seal": seals.seal(run_of(key), kind, place, data)}


def sealed_digest(key: str, value: str) -> str:
    told = json.loads(value)
    data = seals.joined(chunk.encode() for chunk in told["chunks"])
    seal = seals.seal(run_of(key), "digest", told["number"], data)
    return json.dumps(told | {"seal": seal.hex()})


def event(fields: dict[str, str]) -> Any:
    return json.loads(fields["chunk"].removeprefix("data: "))


def resumed(browser: Browser, run: str, last: int) -> list[tuple[int, Any]]:
    url = f"/chatkit/runs/{run}/events/"
    return read(browser.stream("GET", url, headers={"Last-Event-ID": str(last)}))


@pytest.mark.upgraded("logs in Redis", "are read on from every event")
@pytest.mark.parametrize("run", [run for run in WHOLE if run != UNSEALED])
def test_a_run_is_read_on_in_redis(browser: Browser, run: str) -> None:
    entries = [
        (int(number.partition("-")[0]), event(fields))
        for number, fields in STREAMS[run]
        if "end" not in fields
    ]
    folded = json.loads(old.LOGS.get(f"chatkit_images:run:{run}:digest", "{}"))
    begun = folded.get("number", 0)
    entries = [entry for entry in entries if entry[0] > begun]
    for last in (begun, *(number for number, _ in entries)):
        rest = [entry for entry in entries if entry[0] > last]
        assert resumed(browser, run, last) == rest
    # Who has nothing gets what the digest shows, and then the same.
    whole = resumed(browser, run, 0)
    assert whole[len(whole) - len(entries) :] == entries
    thread = old.ANSWERS["ann"][RUNS[run]["thread_id"]]
    said = shown([each for _, each in whole])
    known = {item["id"] for item in thread["items"]}
    assert said.keys() <= known
    for item in thread["items"]:
        if item["id"] in said and item["type"] == "assistant_message":
            assert said[item["id"]]["content"] == item["content"]


@pytest.mark.upgraded("logs in Redis", "without seals are not believed: rows are read")
def test_a_run_without_seals_is_read_from_its_rows(browser: Browser) -> None:
    # As of a process that seals, and whose entries others have replaced.
    models.Run.objects.filter(pk=UNSEALED).update(context=seals.NOTE)
    whole = resumed(browser, UNSEALED, 0)
    assert {number for number, _ in whole} == {0}
    thread = old.ANSWERS["ann"][RUNS[UNSEALED]["thread_id"]]
    said = shown([each for _, each in whole])
    known = {item["id"]: item for item in thread["items"]}
    assert said and said.keys() <= known.keys()
    for key, item in said.items():
        if item["type"] == "assistant_message":
            assert item["content"] == known[key]["content"]


@pytest.mark.upgraded("runs", "whose process is gone are read, and ended")
@pytest.mark.parametrize(
    ("row", "name"),
    [(old.DEAD, "ann"), (old.FOLLOWED, "bob")],
    ids=["dead", "followed"],
)
def test_a_run_without_a_process_is_told_of(
    browser: Browser, row: dict[str, Any], name: str
) -> None:
    user = User.objects.get(username=name)
    with Browser(str(browser.base_url), user) as reader:
        told = [each for _, each in resumed(reader, row["id"], 0)]
        until(lambda: models.Run.objects.get(pk=row["id"]).status == "interrupted")
        (error,) = of_type(told, "error")
        assert error["allow_retry"]
        thread: dict[str, Any] = {"thread_id": row["thread_id"]}
        page = reader.call("items.list", **thread, order="asc")
        # The preview that was there is the image now, with the bytes of before.
        image = models.GeneratedImage.objects.get(run=row["id"])
        (partial,) = old.rows("PartialImage", image_id=str(image.pk))
        assert (image.status, image.file.name) == ("interrupted", partial["file"])
        (item,) = (i for i in page["data"] if i["type"] == "generated_image")
        response = reader.get(item["image"]["url"])
        assert response.status_code == 200
        digest = hashlib.sha256(response.content).hexdigest()
        assert digest == old.digests()[partial["file"]]
        # Who sends the message of then again is not answered twice.
        sent = {"Idempotency-Key": row["idempotency_key"]}
        with begin(reader, **sent) as response:
            assert Numbered(response).run == row["id"]
            assert of_type([each for _, each in Numbered(response).rest()], "error")
        events = reader.call(
            "threads.add_user_message", **thread, input=message("hello again")
        )
        assert not of_type(events, "error")


# Commands


def command(name: str, *words: str) -> str:
    out = io.StringIO()
    call_command(f"chatkit_images_{name}", *words, stdout=out)
    return out.getvalue()


@pytest.mark.upgraded("commands", "settle what was left, and find all well")
async def test_commands_settle_what_was_left(person: Any, settings: Any) -> None:
    await sync_to_async(settle)(Path(settings.MEDIA_ROOT), settings)
    for name, threads in old.ANSWERS.items():
        browser = person(name)
        for key, before in threads.items():
            after = await answers.thread(browser, key)
            if key not in (old.DEAD["thread_id"], old.FOLLOWED["thread_id"]):
                assert after == before


def settle(storage: Path, settings: Any) -> None:
    """Run every command, as often as a site does, and look at what it says."""
    spool = settings.CHATKIT_IMAGES["SPOOL_DIR"]
    spooled = [n for n in old.MANIFEST["files"] if n.startswith("spool/")]
    (noted,) = old.rows("DeletedFile")
    stored = {n: k for n, k in old.MANIFEST["files"].items() if n not in spooled}
    (nobodys,) = (name for name, known in stored.items() if known["age"] > DAY)
    assert "Ended 1 runs, 1 go on." in command("recover")
    assert f"Moved {len(spooled)} files" in command("flush_spool")
    for name in spooled:
        path = name.partition("/")[2]
        assert (storage / path).is_file()
        assert not (spool / path).exists()
    counted = command("sweep", "--dry-run")
    assert "Would settle 1 deleted files." in counted
    assert "Would settle 1 unknown files." in counted
    going = [storage / noted["name"], storage / nobodys.partition("/")[2]]
    assert all(path.exists() for path in going)
    said = command("sweep")
    assert counted.replace("Would settle", "Settled") == said
    assert not any(path.exists() for path in going)
    assert not models.DeletedFile.objects.exists()
    # Nothing is left, nothing else was touched.
    again = command("sweep")
    assert all(line.startswith("Settled 0 ") for line in again.splitlines())
    assert command("verify").startswith("Every ")
    call_command("check", fail_level="WARNING")
