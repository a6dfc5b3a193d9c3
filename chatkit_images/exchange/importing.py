"""The import of an archive that was exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..context import RequestContext
from ..contexts import working_for
from .archive_import import ArchiveImport, Progress
from .imported import Imported, Refusal
from .reading import ReadArchive


def import_archive(
    context: RequestContext,
    path: str | Path,
    *,
    dry_run: bool = False,
    tell: Callable[[Refusal], None] | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Give what is in an archive of ``export()`` to an owner. Not for the event loop.

    Ids, order and times are kept. What is there already stays as it is, so an import
    that was killed can be repeated. Everything is checked as what people send: a line
    or a file that is not accepted is left out, and the rest is imported. Receivers of
    ``image_saved`` are not called, and nothing counts for limits of use.

    Args:
        context: Whose it becomes.
        path: The archive.
        dry_run: Whether to check everything and to write nothing.
        tell: Is called with each refusal.
        progress: Is called with how many bytes of lines are done, and how many there
            are.

    Raises:
        ArchiveRefused: If it is no archive of this version's, or damaged.
        TooManyRefused: If thousands of lines are wrong.
        OSError: If it cannot be read.
        StorageUnavailable: If neither storage nor spool takes a file. What was imported
            stays, and the rest can be imported later.
    """
    with working_for(context), ReadArchive(Path(path)) as archive:
        done = Imported(tell=tell)
        ArchiveImport(context, archive, done, dry_run).run(progress)
        return done
