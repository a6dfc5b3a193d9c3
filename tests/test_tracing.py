"""Spans of runs and images, in the memory of OpenTelemetry's SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from chatkit_images.models import GeneratedImage, Run, Thread
from chatkit_images.reports import tracing
from chatkit_images.runs import releases
from chatkit_images.signals import run_finished
from chatkit_images.testing import FailedImage, Image, LoopbackAPI, Text
from tests.client import ChatClient
from tests.image_files import image_file

sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="The SDK is not installed.")
PROMPT = "a fox in a red coat"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the spans that were exported so far."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
        InMemorySpanExporter,
    )

    exporter = InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing.trace, "get_tracer", provider.get_tracer)
    yield exporter.get_finished_spans
    provider.shutdown()


async def test_a_run_is_a_trace_of_its_model_and_images(
    chat: ChatClient, model: LoopbackAPI, spans: Any
) -> None:
    first, second = (
        Image(data=image_file(name), partials=0) for name in ("red", "blue")
    )
    model.respond_with(first, second, FailedImage(), Text("Here."))
    with tracing.trace.get_tracer("project").start_as_current_span("request"):
        await chat.say(PROMPT)

    named: dict[str, list[Any]] = {}
    for span in spans():
        named.setdefault(span.name.split(" ")[0], []).append(span)
    (request,), (run,), (asked,) = (
        named[name] for name in ("request", "invoke_agent", "chat")
    )
    assert run.parent.span_id == request.context.span_id
    assert asked.parent.span_id == run.context.span_id
    assert request.start_time <= run.start_time <= asked.start_time < asked.end_time
    assert asked.kind.name == "CLIENT"
    row = await Run.objects.aget()
    assert asked.attributes["gen_ai.request.model"] == row.model
    assert asked.attributes["server.address"] == row.provider.partition(":")[0]
    assert asked.attributes["gen_ai.conversation.id"] == row.thread_id
    assert asked.attributes["gen_ai.usage.input_tokens"] > 0
    drawn = named["generate_image"]
    assert sorted(each.attributes["chatkit.status"] for each in drawn) == [
        *("blocked", "completed", "completed"),
    ]
    for each in drawn:
        assert each.parent.span_id == run.context.span_id
        ended = each.attributes["chatkit.status"]
        assert each.status.status_code.name == (
            "ERROR" if ended == "blocked" else "UNSET"
        )
    for name in ("decode", "store", "make"):
        assert len(named[name]) == 2
        parents = {each.parent.span_id for each in named[name]}
        assert parents <= {each.context.span_id for each in drawn}
    for span in spans():
        said = span.to_json()
        for secret in (PROMPT, row.owner, "http://", "chatkit_images/images/"):
            assert secret not in said


@pytest.mark.django_db
def test_a_run_that_is_taken_over_has_its_trace_once(ann: User, spans: Any) -> None:
    owner = f"user:{ann.pk}"
    thread = Thread.objects.create(pk="thr_1", owner=owner, user=ann)
    run = Run.objects.create(
        thread=thread, owner=owner, user=ann, heartbeat_at=timezone.now().replace(2020)
    )
    GeneratedImage.objects.create(thread=thread, run=run, call_id="ig_1")
    for _ in range(2):
        releases.take_over(Run.objects.all())
    assert sorted(span.name for span in spans()) == ["generate_image", "invoke_agent"]
    for span in spans():
        assert span.attributes["error.type"] == "interrupted"


@pytest.mark.parametrize("name", ["inject", "extract"])
async def test_a_propagator_that_fails_costs_no_answer(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("the propagator is broken")

    monkeypatch.setattr(tracing.propagate, "inject", lambda found: found.update(a="b"))
    monkeypatch.setattr(tracing.propagate, name, fail)
    model.respond_with(Text("Here."))
    await chat.say(PROMPT)
    assert (await Run.objects.aget()).status == Run.Status.COMPLETED


def test_without_the_package_nothing_is_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracing, "trace", None)
    monkeypatch.setattr(run_finished, "receivers", [])
    tracing.connect()
    assert run_finished.receivers == []
    assert tracing.carrier() == {}
    tracing.enter({})


async def test_without_a_tracer_no_image_is_read(
    chat: ChatClient, model: LoopbackAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []
    monkeypatch.setattr(tracing, "_image", lambda *args: read.append(args))
    model.respond_with(Image(data=image_file("red"), partials=0))
    await chat.say(PROMPT)
    assert read == []
