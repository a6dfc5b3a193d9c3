"""The rows: threads and their items, images, attachments, feedback, runs.

No column holds base64 or a URL of the project: files are names in the storage,
URLs are made when a thread is read.
"""

from __future__ import annotations

from .attachments import Attachment
from .brakes import Brake, OwnerBlock
from .files import DeletedFile
from .holds import LegalHold
from .images import GeneratedImage
from .inputs import ImageSource, RefusedInput
from .installations import Installation
from .moderation import Decision, ReviewReason, Visibility
from .partials import PartialImage
from .run_ends import RunEnd
from .runs import Run
from .threads import DeletedPosition, Feedback, Thread, ThreadItem
from .use import ALL, UseCounter, UseEntry, UseKind, UseSummary
from .variants import ImageVariant

__all__ = [
    "ALL",
    "Attachment",
    "Brake",
    "Decision",
    "DeletedFile",
    "DeletedPosition",
    "Feedback",
    "GeneratedImage",
    "ImageSource",
    "ImageVariant",
    "Installation",
    "LegalHold",
    "OwnerBlock",
    "PartialImage",
    "RefusedInput",
    "ReviewReason",
    "Run",
    "RunEnd",
    "Thread",
    "ThreadItem",
    "UseCounter",
    "UseEntry",
    "UseKind",
    "UseSummary",
    "Visibility",
]
