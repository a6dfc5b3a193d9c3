"""The export of a person: images and files as they are, and everything that is said."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import IO

from django.utils import translation

from ..context import RequestContext
from ..contexts import working_for
from .archive import written_whole
from .writer import Export, Progress, Writer


def export(
    context: RequestContext,
    target: str | Path | IO[bytes],
    *,
    internal: bool = False,
    replace: bool = False,
    progress: Progress | None = None,
) -> Export:
    """Write all that an owner has into a zip archive. Not for the event loop.

    No transaction is open meanwhile, and the site goes on: what is written or deleted
    during the export may or may not be in it. A file that cannot be read is left out.
    At any time one image is in memory, and a page of rows.

    Args:
        context: Whose rows: those of its owner. Its language is that of the pages.
        target: A path, where the file appears when it is whole, or an open file, which
            need not be seekable.
        internal: Whether to export what the person never sees, too: hidden items,
            metadata of threads, what providers have said about failures, and the
            feedback of all members of a team. For a move to another installation.
        replace: Whether a file at the path is replaced.
        progress: Is called with how many threads and files are done, and how many there
            were at the beginning.

    Raises:
        FileExistsError: If there is a file at the path that is not to be replaced.
        OSError: If the target cannot be written.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(working_for(context))
        stack.enter_context(translation.override(context.locale))
        if isinstance(target, str | Path):
            target = stack.enter_context(written_whole(Path(target), replace=replace))
        writer = stack.enter_context(Writer(context, target, internal, progress))
        return writer.write()
