"""Spans of OpenTelemetry, made from the rows of a run when it has ended.

Without the package nothing is connected, and without a tracer that records no image is
read. Names and attributes are those of OpenTelemetry's conventions for generative AI,
as far as those go.
"""

from __future__ import annotations

import datetime
import logging
from typing import Any

from .. import models
from ..run_state import current_run, current_state
from ..signals import image_failed, image_saved, run_finished
from . import facts

try:
    from opentelemetry import context as otel_context
    from opentelemetry import propagate, trace
except ImportError:
    trace = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)
# A millisecond in nanoseconds, which spans have.
MS = 1_000_000
GEN_AI = "gen_ai."
# Facts that are attributes under another name.
LEFT_OUT = {"event", "provider", "model", "chat_model", "thread_id", "response_id"}
# The phases after the bytes have come, by the span that shows each.
AFTER = (("decode_ms", "decode image"), ("store_ms", "store image"))


def connect() -> None:
    """Connect the spans to the signals, if OpenTelemetry is installed."""
    if trace is not None:
        uid = "chatkit_images.trace"
        run_finished.connect(trace_run, dispatch_uid=uid)
        for signal in (image_saved, image_failed):
            signal.connect(trace_late_image, dispatch_uid=uid)


def carrier() -> dict[str, str]:
    """Return what of the present trace goes on in another task.

    Propagators may be a project's own. If one fails, the run goes on without its trace.
    """
    found: dict[str, str] = {}
    if trace is not None:
        try:
            propagate.inject(found)
        except Exception:
            logger.warning("A run has no trace of its request", exc_info=True)
            return {}
    return found


def enter(carried: dict[str, str]) -> None:
    """Go on with a trace, until the task of this code ends."""
    if carried:
        try:
            otel_context.attach(propagate.extract(carried))
        except Exception:
            logger.warning("A run does not go on with a trace", exc_info=True)


def trace_run(sender: Any, run: models.Run, **kwargs: Any) -> None:
    """Make the spans of a run: its model, its images, and what became of these."""
    known = facts.of_run(run)
    state = current_state.get() if current_run.get() == run.pk else None
    parent = propagate.extract(state.trace if state is not None else {})
    span = _start("invoke_agent", run.created_at, parent, known)
    if not span.is_recording():
        return
    span.set_attribute(f"{GEN_AI}operation.name", "invoke_agent")
    within = trace.set_span_in_context(span)
    if run.requested_at is not None:
        _model(run, run.requested_at, known, within)
    for image in models.GeneratedImage.objects.filter(run=run.pk).order_by(
        "created_at"
    ):
        _image(image, within)
    _end(span, run.finished_at, known)


def trace_late_image(sender: Any, image: models.GeneratedImage, **kwargs: Any) -> None:
    """Make the spans of an image that no run will tell of any more."""
    if image.run_id is not None:
        if current_run.get() == image.run_id:
            return
        running = models.Run.objects.running().filter(pk=image.run_id)
        if running.exists():
            return  # Its end will tell of it.
    _image(image, None)


def _model(
    run: models.Run, at: datetime.datetime, known: facts.Facts, within: Any
) -> None:
    name = f"chat {run.model}".strip()
    span = _start(name, at, within, known, trace.SpanKind.CLIENT)
    span.set_attribute(f"{GEN_AI}operation.name", "chat")
    if run.first_event_at is not None:
        waited = (run.first_event_at - at).total_seconds()
        span.set_attribute(f"{GEN_AI}response.time_to_first_chunk", waited)
        span.add_event("first event", timestamp=_ns(run.first_event_at))
    _end(span, run.finished_at, known)


def _image(image: models.GeneratedImage, within: Any) -> None:
    known = facts.of_image(image)
    span = _start("generate_image", image.created_at, within, known)
    if not span.is_recording():
        return
    span.set_attribute(f"{GEN_AI}output.type", "image")
    inner = trace.set_span_in_context(span)
    if (at := image.arrived_at) is not None:
        span.add_event("arrived", timestamp=_ns(at))
        for name, title in AFTER:
            if (ms := known.get(name)) is not None:
                _start(title, at, inner, {}).end(_ns(at) + ms * MS)
                at += datetime.timedelta(milliseconds=ms)
    if image.finished_at and (ms := known.get("thumbnail_ms")) is not None:
        _start("make thumbnail", image.finished_at, inner, {}).end(
            _ns(image.finished_at) + ms * MS
        )
    _end(span, image.finished_at, known)


def _start(
    name: str, at: datetime.datetime, within: Any, known: facts.Facts, kind: Any = None
) -> Any:
    tracer = trace.get_tracer("chatkit_images")
    return tracer.start_span(
        name,
        context=within,
        kind=kind or trace.SpanKind.INTERNAL,
        attributes=_attributes(known),
        start_time=_ns(at),
    )


def _attributes(known: facts.Facts) -> dict[str, Any]:
    """Return facts under OpenTelemetry's names where it has some, else under ours."""
    asked = known.get("chat_model") or known.get("model")
    drew = known.get("model") if "chat_model" in known else ""
    named = {
        f"{GEN_AI}provider.name": _provider(known.get("provider") or ""),
        "server.address": (known.get("provider") or "").partition(":")[0],
        f"{GEN_AI}request.model": asked,
        f"{GEN_AI}response.model": drew,
        f"{GEN_AI}conversation.id": known.get("thread_id"),
        f"{GEN_AI}response.id": known.get("response_id"),
        f"{GEN_AI}usage.input_tokens": known.get("input_tokens"),
        f"{GEN_AI}usage.output_tokens": known.get("output_tokens"),
        "error.type": known.get("reason"),
    }
    own = {f"chatkit.{k}": v for k, v in known.items() if k not in LEFT_OUT}
    both = {**named, **own}
    return {name: value for name, value in both.items() if value not in (None, "")}


def _provider(host: str) -> str:
    """Return OpenTelemetry's name of a provider where it has one, else its host."""
    if host == "api.openai.com":
        return "openai"
    return "azure.ai.openai" if host.endswith(".openai.azure.com") else host


def _end(span: Any, at: datetime.datetime | None, known: facts.Facts) -> None:
    if known.get("reason"):
        span.set_status(trace.StatusCode.ERROR, known["reason"])
    span.end(_ns(at) if at is not None else None)


def _ns(at: datetime.datetime) -> int:
    """Return a time as spans have it, which the database knows to the microsecond."""
    return round(at.timestamp() * 1_000_000) * 1_000
