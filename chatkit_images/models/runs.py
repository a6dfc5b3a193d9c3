"""Turns of the agent."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from django.conf import settings
from django.db import InterfaceError, OperationalError, models
from django.db.models import Q
from django.utils import formats, timezone
from django.utils.translation import get_language, gettext, override
from django.utils.translation import gettext_lazy as _

from ..context import RequestContext
from ..context_rows import locale_of
from ..contexts import context_class, working_for
from ..querysets import RunQuerySet
from .failures import WithFailure
from .keys import KeyField
from .ownership import delete_own
from .requests import WithRequest
from .threads import Thread

logger = logging.getLogger(__name__)


class Run(WithRequest, WithFailure):
    """One turn of the agent, from a request to the end of its stream."""

    class Status(models.TextChoices):
        RUNNING = "running", _("running")
        COMPLETED = "completed", _("completed")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")
        INTERRUPTED = "interrupted", _("interrupted")

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    thread = models.ForeignKey(
        Thread,
        verbose_name=_("thread"),
        related_name="runs",
        # The thread of a first message is made by the run itself.
        null=True,
        blank=True,
        on_delete=models.CASCADE,
    )
    owner = KeyField(_("owner"), max_length=255)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        related_name="chatkit_runs",
        null=True,
        blank=True,
        on_delete=delete_own,
    )
    context = models.JSONField(
        _("context"),
        default=dict,
        null=True,
        blank=True,
        help_text=_("What another process needs to work for the same person."),
    )
    operation = models.CharField(_("operation"), max_length=64)
    requested_model = models.CharField(
        _("requested model"),
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text=_("The person's choice in the composer."),
    )
    requested_tool = models.CharField(
        _("requested tool"), max_length=255, blank=True, default="", db_default=""
    )
    model = models.CharField(
        _("model"),
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text=_("Which was asked."),
    )
    status = models.CharField(
        _("status"), max_length=16, choices=Status.choices, default=Status.RUNNING
    )
    worker = models.CharField(
        _("worker"), max_length=255, blank=True, help_text=_("Host and process id.")
    )
    heartbeat_at = models.DateTimeField(_("heartbeat"), default=timezone.now)
    stop_requested_at = models.DateTimeField(
        _("stop requested"),
        null=True,
        blank=True,
        help_text=_("By a person, in whichever process the run is."),
    )
    followed_at = models.DateTimeField(
        _("followed"),
        null=True,
        blank=True,
        help_text=_("When it was last read in another process."),
    )
    idempotency_key = KeyField(  # noqa: DJ001 - most have none
        _("idempotency key"), max_length=255, null=True, blank=True
    )
    request_digest = models.CharField(
        _("digest of the request"),
        max_length=64,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_("Tells whether another request is the same."),
    )
    response_id = models.CharField(_("response id"), max_length=255, blank=True)
    usage = models.JSONField(_("token usage"), default=dict, blank=True)
    tool_usage = models.JSONField(
        _("usage of tools"),
        default=dict,
        null=True,
        blank=True,
        help_text=_("As the provider counts it, beside the token usage."),
    )
    model_usage = models.JSONField(
        _("usage by model"),
        default=dict,
        null=True,
        blank=True,
        help_text=_("The token usage, by the models that have answered."),
    )
    cost = models.DecimalField(
        _("cost"),
        max_digits=14,
        decimal_places=6,
        null=True,
        blank=True,
        help_text=_("Of its tokens and images; empty if a part has no price."),
    )
    safety_identifier = models.CharField(
        _("safety identifier"),
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text=_("A digest of the person, as the provider got it."),
    )
    error_code = models.CharField(
        _("error code"), max_length=64, blank=True, default="", db_default=""
    )
    error = models.TextField(_("error"), blank=True)
    created_at = models.DateTimeField(_("started"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["thread"],
                condition=Q(status="running"),
                name="chatkit_run_one_per_thread",
            ),
            models.UniqueConstraint(
                fields=["owner", "idempotency_key"], name="chatkit_run_once"
            ),
        ]
        indexes = [
            models.Index(fields=["status", "heartbeat_at"], name="chatkit_run_alive"),
            models.Index(fields=["created_at"], name="chatkit_run_created"),
            models.Index(fields=["owner", "created_at"], name="chatkit_run_of"),
            models.Index(fields=["reason", "created_at"], name="chatkit_run_reason"),
        ]

    def __str__(self) -> str:
        began = self.created_at
        if timezone.is_aware(began):
            began = timezone.localtime(began)
        when = formats.date_format(began, "DATETIME_FORMAT")
        return gettext("Answer of %(when)s") % {"when": when}

    def to_context(self) -> RequestContext:
        """Return for whom it works, as its request said. May read the user's row."""
        # The rows of a visitor who logs in move to the user.
        owned = {"owner": self.owner, "user": None}
        row = self.context if isinstance(self.context, dict) else {}
        return context_class().from_row(row | owned, self.user)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Do the work within for whom the run has worked, in their language.

        If that cannot be known any more, the work is done all the same.

        Raises:
            OperationalError: If the database is away.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(working_for(self.to_context()))
            except (InterfaceError, OperationalError):
                raise
            except Exception:
                # The project's class, or the tenant, may be another one by now. The
                # thread must become free, and the person reads why.
                logger.exception("The context of run %s cannot be made again", self.pk)
                locale = locale_of(self.context) or get_language()
                stack.enter_context(override(locale))
            yield
