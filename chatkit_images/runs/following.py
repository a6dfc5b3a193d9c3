"""Reading a run, in whichever process it is, while it goes on or after its end."""

from __future__ import annotations

from contextlib import aclosing, nullcontext

from chatkit import types

from .. import database, notes
from ..conf import settings
from ..context import RequestContext
from ..contexts import working_for
from ..models import Run
from ..protocol import ProtocolServer, event_stream, visibility
from ..queries import aside, items, read_items, threads
from ..server import get_server
from .drain import Draining
from .log import Batches, MemoryLog, get_logs
from .log.seals import wants_seals
from .registry import LIVE
from .supervisor import supervisor


def follow(
    run: Run,
    context: RequestContext,
    after: int = 0,
    *,
    join: bool = False,
    patient: bool = True,
    idle: float | None = None,
    watch: bool = False,
) -> Batches:
    """Return the chunks of a run, from its log or, without a log, from the database.

    Iterating raises ``Draining`` if another process has the run, and the run goes on
    while this process drains.

    Args:
        run: The row, of the context's owner.
        context: Who reads.
        after: Number of the last chunk that the reader has.
        join: Whether the reader gets what the stream shows by now instead.
        patient: Whether the reader may come back if it leaves.
        idle: Seconds of silence after which an empty batch is yielded.
        watch: Whether the reader is only a watcher, for whom no run goes on.
    """
    live = LIVE.here(run.pk)
    if live is not None and not watch:
        return live.events(after, join=join, patient=patient, idle=idle)
    return _follow_elsewhere(run, context, after, join, idle, watch)


async def _follow_elsewhere(
    run: Run,
    context: RequestContext,
    after: int,
    join: bool,
    idle: float | None,
    watch: bool,
) -> Batches:
    """Yield the chunks of a run of another process, or of this one for a watcher.

    Raises:
        Draining: If this process ends before the run does.
    """
    live = LIVE.here(run.pk)
    log = live.log if live is not None else await _open(run)
    with working_for(context):
        # The log has what was shown then.
        is_outdated = not watch and await database.insist(has_withheld_images, run)
    while not is_outdated:
        # The log of a run of this process is closed by the run itself.
        following = supervisor().following(run.pk, context, log, present=not watch)
        with following if live is None else nullcontext():
            async with aclosing(log.batches(after, join, idle)) as batches:
                async for batch in batches:
                    if batch:
                        after, join = batch[-1][0], False
                    yield batch
        if log.complete and log.last:
            return
        if live is None:
            _refuse_if_draining(run)
        with working_for(context):
            running = await database.insist(goes_on, run)
        if not running:
            break
        # The log is lost, but the run goes on.
        live, log = None, await _open(run)
    with working_for(context):
        stored = await database.insist(stored_events, run, context)
        server = get_server() if settings.SERVER is not None else None
        if isinstance(server, ProtocolServer):
            for event in stored:
                await server.tell_hosts(event, context)
    yield [(0, event_stream.chunk(event)) for event in stored]


async def _open(run: Run) -> MemoryLog:
    """Return the log of a run, or an empty one.

    Raises:
        Draining: If the log is not complete and this process drains.
    """
    running = run.status == Run.Status.RUNNING
    log = await get_logs().open(run.pk, running, wants_seals(run))
    if log is None or (log.closed and not log.last):
        # Nothing writes to this log, so it is silent until the run has ended.
        log = MemoryLog()
        if not running:
            log.close(complete=False)
    if not log.closed:
        _refuse_if_draining(run)
    return log


def _refuse_if_draining(run: Run) -> None:
    # If the run had ended when the reader came, this process can show it too.
    if supervisor().followed_logs.closed and run.status == Run.Status.RUNNING:
        raise Draining


def goes_on(run: Run) -> bool:
    """Whether a run has not ended. Not for the event loop."""
    return Run.objects.filter(pk=run.pk).running().exists()


def has_withheld_images(run: Run) -> bool:
    """Whether an image of an ended run is hidden or held. Not for the event loop."""
    if run.status == Run.Status.RUNNING:
        return False
    return run.images.filter(visibility__in=aside.WITHHELD).exists()


def stored_events(run: Run, context: RequestContext) -> list[types.ThreadStreamEvent]:
    """Return the items of a run in its thread, as events. Not for the event loop."""
    try:
        run = Run.objects.select_related("thread").get(pk=run.pk)
    except Run.DoesNotExist:
        return []  # The thread of the run was deleted meanwhile.
    events: list[types.ThreadStreamEvent] = []
    found: list[types.ThreadItem] = []
    if run.thread is not None:
        thread = visibility.public_thread(threads.to_thread(run.thread))
        created = run.operation == "threads.create"
        kind = types.ThreadCreatedEvent if created else types.ThreadUpdatedEvent
        events.append(kind(thread=thread))
        rows = run.thread.items.filter(created_at__gte=run.created_at)
        if run.finished_at is not None:
            rows = rows.filter(created_at__lte=run.finished_at)
        rows = rows.exclude(type__in=items.HIDDEN_TYPES).order_by("created_at", "pk")
        found = read_items.to_items(list(rows), run.thread.pk, context)
        shown = map(notes.as_seen, found)
        events += [types.ThreadItemDoneEvent(item=item) for item in shown]
    broken = run.status in (Run.Status.FAILED, Run.Status.INTERRUPTED)
    if broken:
        events.append(event_stream.failed(run))
    elif not found:
        events.append(event_stream.broken_off())
    return events
