"""What staff have decided about the images of threads that somebody looks at.

Each open stream and each watcher of a thread is told of it within two polls, as the
replacement of the item: by words, or by the image that is shown again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from chatkit import types

from .. import notes
from ..context import RequestContext
from ..contexts import working_for
from ..models import Decision, ThreadItem
from ..protocol import event_stream
from ..queries import read_items
from ..queries.items import HIDDEN_TYPES
from ..times import Now

# Seconds for which a decision is looked for: some polls, of which one may be late.
RECENT_SECONDS = 10
# Those that change nothing that a person sees.
SILENT = (Decision.Action.REPORT, Decision.Action.REMARK)
# Items of a thread that one poll tells of. Staff may hide thousands of its images.
MOST = 100


@dataclass(frozen=True)
class Change:
    """An item that is to be shown anew.

    Attributes:
        thread_id: Its thread.
        chunk: The event that says so, as a stream has it.
    """

    thread_id: str
    chunk: bytes


def find(
    threads: Mapping[str, RequestContext], known: Collection[int]
) -> tuple[list[Change], set[int]]:
    """Return what has changed in threads, and which recent decisions are told by now.

    The newest are told first, ``MOST`` of a thread, the others by the next calls. Not
    for the event loop. It is one statement as long as nothing has changed.

    Args:
        threads: The ids of threads, and for whom each is read: its owner.
        known: The keys that the call before has returned.
    """
    recent = Decision.objects.filter(
        thread_id__in=list(threads),
        created_at__gt=Now() - timedelta(seconds=RECENT_SECONDS),
    ).exclude(action__in=SILENT)
    rows = recent.order_by("-pk").values_list("pk", "thread_id", "item_id")
    items: dict[str, set[str]] = defaultdict(set)
    told: set[int] = set()
    for pk, thread_id, item_id in rows:
        ids = items[thread_id]
        if pk in known or not item_id:
            told.add(pk)
        elif item_id in ids or len(ids) < MOST:
            ids.add(item_id)
            told.add(pk)
    changes = [
        change
        for thread_id, ids in items.items()
        for change in _of_thread(thread_id, ids, threads[thread_id])
    ]
    return changes, told


def _of_thread(thread_id: str, ids: set[str], context: RequestContext) -> list[Change]:
    with working_for(context):
        own = ThreadItem.objects.of_owner(thread_id, context.owner)
        rows = own.filter(thread_id=thread_id, item_id__in=ids)
        # Hidden context may have an image, too.
        rows = rows.exclude(type__in=HIDDEN_TYPES).order_by("pk")
        seen = map(notes.as_seen, read_items.to_items(list(rows), thread_id, context))
        events = [types.ThreadItemReplacedEvent(item=item) for item in seen]
    return [Change(thread_id, event_stream.chunk(event)) for event in events]
