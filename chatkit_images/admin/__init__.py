"""The pages for staff: threads, images, runs, and what belongs to them.

Pages show what the model and people made; they change only a thread's title and status,
stop runs, block owners, pull the brake and hold what must be kept.
Bytes go through the admin's own route, which checks the same permission and the same
``get_queryset()`` as the page.
"""

from __future__ import annotations

from .attachments import AttachmentAdmin
from .brakes import BrakeAdmin, OwnerBlockAdmin
from .feedback import FeedbackAdmin
from .files import DeletedFileAdmin
from .holds import LegalHoldAdmin
from .images import GeneratedImageAdmin
from .refused_inputs import RefusedInputAdmin
from .reviewing import DecisionAdmin
from .runs import RunAdmin
from .threads import ThreadAdmin
from .use import UseEntryAdmin
from .use_page import UseSummaryAdmin

__all__ = [
    "AttachmentAdmin",
    "BrakeAdmin",
    "DecisionAdmin",
    "DeletedFileAdmin",
    "FeedbackAdmin",
    "GeneratedImageAdmin",
    "LegalHoldAdmin",
    "OwnerBlockAdmin",
    "RefusedInputAdmin",
    "RunAdmin",
    "ThreadAdmin",
    "UseEntryAdmin",
    "UseSummaryAdmin",
]
