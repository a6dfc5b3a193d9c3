"""Reading a run, in whichever process it is, while it goes on or afterwards."""

from __future__ import annotations

from contextlib import aclosing, nullcontext

from chatkit import types

from .. import database
from ..context import RequestContext
from ..models import Run
from ..protocol import event_stream, visibility
from ..queries import items, threads
from ..querysets import RunQuerySet
from . import claims
from .drain import Draining
from .log import Batch, Batches, MemoryLog, get_logs
from .runner import LIVE
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
    """Return a run's chunks, from its log; without a log, what is in the database.

    Args:
        run: The row, of the context's owner.
        context: Who reads.
        after: Number of the last chunk that the reader has.
        join: Whether it gets what the stream shows by now instead.
        patient: Whether the reader may come back if it leaves.
        idle: Seconds of silence after which an empty batch is yielded.
        watch: Whether it only looks on, and does not count as a reader.

    Iterating raises ``Draining`` if the run is another process's and goes on while
    this one ends.
    """
    live = LIVE.get(run.pk)
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
    """Yield the chunks of a run that is no concern of its reader's process.

    Raises:
        Draining: If this process ends before the run does.
    """
    live = LIVE.get(run.pk)
    log = live.log if live is not None else await _open(run)
    while True:
        # What a run here writes to has more readers, and its own end.
        following = supervisor().following(run.pk, log, present=not watch)
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
        if not await database.insist(goes_on, run):
            break
        # Its log is lost, it is not.
        live, log = None, await _open(run)
    yield await database.insist(shown, run, context)


async def _open(run: Run) -> MemoryLog:
    """Return the log of a run, or an empty one.

    Raises:
        Draining: If it is not complete, and this process is about to end.
    """
    running = run.status == Run.Status.RUNNING
    log = await get_logs().open(run.pk, running)
    if log is None or (log.closed and not log.last):
        # Nobody appends to it: it is silent until the run has ended.
        log = MemoryLog()
        if not running:
            log.close(complete=False)
    if not log.closed:
        _refuse_if_draining(run)
    return log


def _refuse_if_draining(run: Run) -> None:
    # One that had ended when it was asked for is told of here as anywhere.
    if supervisor().closed and run.status == Run.Status.RUNNING:
        raise Draining


def goes_on(run: Run) -> bool:
    """Whether a run has not ended. Not for the loop."""
    return Run.objects.filter(pk=run.pk).running().exists()


async def stop(rows: RunQuerySet) -> bool:
    """End those of the runs that go on, here at once, elsewhere within a second.

    Returns:
        Whether there was one.
    """
    keys = await database.call(claims.request_stop, rows)
    for key in keys:
        if (live := LIVE.get(key)) is not None:
            live.stop()
    return bool(keys)


def shown(run: Run, context: RequestContext) -> Batch:
    """Return what a run has left in its thread, as events. Not for the loop."""
    try:
        run = Run.objects.select_related("thread").get(pk=run.pk)
    except Run.DoesNotExist:
        return []  # Its thread was deleted meanwhile.
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
        found = items.to_items(list(rows), run.thread.pk, context)
        events += [types.ThreadItemDoneEvent(item=item) for item in found]
    broken = run.status in (Run.Status.FAILED, Run.Status.INTERRUPTED)
    if broken or not found:
        events.append(event_stream.broken_off())
    return [(0, event_stream.chunk(event)) for event in events]
