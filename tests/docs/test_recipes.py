"""The recipes of docs/timing.md, with the packages that they are for."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest
from django.dispatch import Signal

from chatkit_images import signals
from chatkit_images.models import Run
from chatkit_images.testing import Image, LoopbackAPI
from tests.client import ChatClient
from tests.image_files import image_file

from . import shop
from .pages import blocks


def code(name: str) -> Any:
    (part,) = blocks("python", name=name)
    return shop.module(name.removesuffix(".py").replace("/", "."), part)


@pytest.fixture
def own_receivers(monkeypatch: pytest.MonkeyPatch) -> None:
    for signal in vars(signals).values():
        if isinstance(signal, Signal):
            monkeypatch.setattr(signal, "receivers", [*signal.receivers])
            signal.sender_receivers_cache.clear()


async def test_lines_are_json(
    chat: ChatClient, model: LoopbackAPI, caplog: pytest.LogCaptureFixture
) -> None:
    formatter = code("shop/logs.py").JsonFormatter()
    model.respond_with(Image(data=image_file("red"), partials=0))
    with caplog.at_level(logging.INFO, logger="chatkit_images.reports"):
        await chat.say("a red square")
    lines = [json.loads(formatter.format(record)) for record in caplog.records]
    told = {line["event"]: line for line in lines if "event" in line}
    assert told["image"]["status"] == told["run"]["status"] == "completed"
    assert told["image"]["store_ms"] >= 0
    assert set(told["run"]) & {"args", "msg", "process"} == set()
    try:
        raise ValueError("broken")
    except ValueError:
        record = logging.getLogger("shop").makeRecord(
            "shop", logging.ERROR, "", 1, "%s", ("no",), sys.exc_info()
        )
    said = json.loads(formatter.format(record))
    assert said["message"] == "no" and "ValueError: broken" in said["traceback"]


@pytest.mark.usefixtures("own_receivers")
async def test_figures_are_counted(chat: ChatClient, model: LoopbackAPI) -> None:
    client = pytest.importorskip("prometheus_client", reason="It is not installed.")
    # Signals keep no receiver alive.
    metrics = code("shop/metrics.py")
    model.respond_with(Image(data=image_file("red"), partials=0))
    await chat.say("a red square")
    value = client.REGISTRY.get_sample_value
    run = await Run.objects.aget()
    assert value(f"{metrics.TOKENS._name}_total", {"model": run.model}) > 0
    ended = {"status": "completed", "reason": ""}
    assert value("chatkit_images_total", ended) == 1
    assert value("chatkit_runs_total", ended) == 1
    phase = {"phase": "store_ms"}
    assert value("chatkit_image_phase_seconds_count", phase) == 1


def test_errors_are_sent_without_what_people_said() -> None:
    sentry = pytest.importorskip("sentry_sdk", reason="It is not installed.")
    from sentry_sdk.integrations.logging import LoggingIntegration
    from sentry_sdk.transport import Transport

    sent: list[Any] = []

    class Kept(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            sent.extend(filter(None, (envelope.get_event(),)))

    recipe = code("shop/sentry.py")
    recipe.begin(
        "http://key@sentry.invalid/1",
        transport=Kept,
        default_integrations=False,
        integrations=[LoggingIntegration()],
    )
    try:
        logging.getLogger("shop.test").error(
            "It broke", extra={"run_id": "r-1", "owner": "d1ge5t"}
        )
        (event,) = sent
        assert event["tags"] == {"run_id": "r-1", "owner": "d1ge5t"}
        request = {
            "url": "https://shop.example/chatkit/images/s3cr3t/?download",
            "data": "a fox",
            "cookies": "sessionid=1",
        }
        cleaned = recipe.before_send({"request": request}, {})["request"]
        assert cleaned == {
            "url": "https://shop.example/chatkit/images/[token]/?download"
        }
    finally:
        sentry.get_client().close()
        sentry.get_global_scope().set_client(None)
