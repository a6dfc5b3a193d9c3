"""Runs in plain words: what was asked for, in which thread, and how it ended."""

from __future__ import annotations

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .. import models
from .markup import name_of

OPERATIONS: dict[str, str | Promise] = {
    "threads.create": _("first message of a chat"),
    "threads.add_user_message": _("message"),
    "threads.add_client_tool_output": _("result of a client tool"),
    "threads.add_structured_input": _("answers to a form"),
    "threads.retry_after_item": _("another try"),
    "threads.custom_action": _("press on a widget"),
    "threads.sync_custom_action": _("press on a widget"),
    "images.generate": _("image by the project's code"),
}


def operation_of(run: models.Run) -> str:
    """Return what a run answers; an operation of a later version by its name."""
    return str(OPERATIONS.get(run.operation, run.operation))


def title_of(run: Any) -> str:
    """Return what a run is called on its page: when it was, and in which thread."""
    if run.thread is None:
        return str(run)
    names = {"run": run, "thread": name_of(run.thread)}
    return gettext("%(run)s in “%(thread)s”") % names
