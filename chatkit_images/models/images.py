"""Images that a model generated."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .. import signals, storage
from ..cleaning import clip
from ..querysets import GeneratedImageQuerySet
from ..transactions import atomic
from .costs import WithCost
from .failures import WithFailure
from .files import WithStorage, file_field
from .keys import KeyField
from .lineage import WithLineage
from .moderation import WithVisibility
from .partials import PartialImage
from .requests import WithRequest
from .runs import Run
from .threads import Thread, ThreadItem


class GeneratedImage(
    WithCost, WithLineage, WithRequest, WithFailure, WithVisibility, WithStorage
):
    """One image call of the model. It ends in exactly one final state."""

    ID_PREFIX = "img_"

    class Status(models.TextChoices):
        GENERATING = "generating", _("generating")
        COMPLETED = "completed", _("completed")
        FAILED = "failed", _("failed")
        BLOCKED = "blocked", _("blocked")
        CANCELLED = "cancelled", _("cancelled")
        INTERRUPTED = "interrupted", _("interrupted")

    # Such an image needs no file any more, whatever is found.
    SETTLED = (Status.COMPLETED, Status.BLOCKED)

    class Source(models.TextChoices):
        HOSTED = "hosted", _("hosted tool")
        NESTED = "nested", _("nested agent")
        OWN = "own", _("the project's own")
        TOOL = "tool", _("a tool's result")
        MCP = "mcp", _("MCP server")
        CODE = "code", _("code interpreter")
        INLINE = "inline", _("in an item")

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    thread = models.ForeignKey(
        Thread,
        verbose_name=_("thread"),
        related_name="images",
        on_delete=models.CASCADE,
        db_index=False,  # Other indexes begin with it.
    )
    item = models.ForeignKey(
        ThreadItem,
        verbose_name=_("item"),
        related_name="images",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
    )
    run = models.ForeignKey(
        Run,
        verbose_name=_("run"),
        related_name="images",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
    )
    call_id = KeyField(
        _("call id"),
        max_length=255,
        help_text=_("The provider's id of the call, which it may repeat."),
    )
    identity = KeyField(  # noqa: DJ001 - unknown to a version that made the row
        _("identity"),
        max_length=300,
        null=True,
        blank=True,
        editable=False,
        help_text=_("The place of the call: its turn, its response, its index in it."),
    )
    source = models.CharField(
        _("source"),
        max_length=16,
        choices=Source.choices,
        default=Source.HOSTED,
        db_default=Source.HOSTED,
    )
    status = models.CharField(
        _("status"), max_length=16, choices=Status.choices, default=Status.GENERATING
    )
    key = models.CharField(
        _("file key"),
        max_length=32,
        default=storage.new_key,
        unique=True,
        editable=False,
        help_text=_("Names the final's file before there is one."),
    )
    file = file_field(_("file"))
    thumbnail = file_field(_("thumbnail"))
    mime = models.CharField(_("MIME type"), max_length=64, blank=True)
    width = models.PositiveIntegerField(_("width"), null=True, blank=True)
    height = models.PositiveIntegerField(_("height"), null=True, blank=True)
    bytes = models.PositiveBigIntegerField(_("bytes"), null=True, blank=True)
    sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True)
    prompt = models.TextField(_("prompt"), blank=True, help_text=_("The user's words."))
    revised_prompt = models.TextField(_("revised prompt"), blank=True)
    model = models.CharField(
        _("model"),
        max_length=255,
        blank=True,
        help_text=_("Which drew it, if the provider said so."),
    )
    chat_model = models.CharField(
        _("chat model"), max_length=255, blank=True, default="", db_default=""
    )
    size = models.CharField(_("size"), max_length=32, blank=True)
    quality = models.CharField(_("quality"), max_length=32, blank=True)
    background = models.CharField(_("background"), max_length=32, blank=True)
    output_format = models.CharField(_("output format"), max_length=32, blank=True)
    response_id = models.CharField(_("response id"), max_length=255, blank=True)
    usage = models.JSONField(
        _("token usage"),
        default=dict,
        blank=True,
        help_text=_("Of the image tool: the share of this image."),
    )
    svg_usage = models.JSONField(_("SVG usage"), default=dict, null=True, blank=True)
    details = models.JSONField(
        _("details"),
        default=dict,
        null=True,
        blank=True,
        help_text=_("Further options of the tool and facts of the call."),
    )
    error_code = models.CharField(_("error code"), max_length=64, blank=True)
    error_message = models.TextField(_("error message"), blank=True)
    moderation = models.JSONField(
        _("moderation"), default=dict, blank=True, help_text=_("Categories and stage.")
    )
    partial_count = models.PositiveIntegerField(_("previews"), default=0)
    first_partial_ms = models.PositiveIntegerField(
        _("time to first preview (ms)"), null=True, blank=True
    )
    final_ms = models.PositiveIntegerField(
        _("time to final (ms)"), null=True, blank=True
    )
    arrived_at = models.DateTimeField(
        _("arrived"),
        null=True,
        blank=True,
        help_text=_("When all bytes of the final were here."),
    )
    stored_at = models.DateTimeField(
        _("stored"),
        null=True,
        blank=True,
        help_text=_("When the storage, or the spool, had the final."),
    )
    superseded_at = models.DateTimeField(
        _("superseded"),
        null=True,
        blank=True,
        help_text=_("When a retry removed it from its thread."),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = GeneratedImageQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("generated image")
        verbose_name_plural = _("generated images")
        ordering = ["-created_at", "-pk"]
        permissions = [
            ("moderate_generatedimage", "Can hide, restore and review generated image")
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["thread", "identity"], name="chatkit_image_identity"
            ),
        ]
        indexes = [
            models.Index(fields=["created_at"], name="chatkit_image_created"),
            models.Index(fields=["status", "created_at"], name="chatkit_image_status"),
            models.Index(fields=["thread", "call_id"], name="chatkit_image_call"),
            models.Index(fields=["thread", "created_at"], name="chatkit_image_of"),
            models.Index(fields=["model", "created_at"], name="chatkit_image_model"),
            models.Index(fields=["reason", "created_at"], name="chatkit_image_reason"),
            models.Index(fields=["call_id"], name="chatkit_image_called"),
            models.Index(fields=["file"], name="chatkit_image_file"),
            models.Index(fields=["thumbnail"], name="chatkit_image_thumbnail"),
            models.Index(fields=["review_since"], name="chatkit_image_review"),
            models.Index(
                fields=["visibility", "created_at"], name="chatkit_image_hidden"
            ),
        ]

    def __str__(self) -> str:
        return clip(self.prompt, 60) or self.call_id

    @property
    def image_id(self) -> str:
        """Id of the image for clients: the app's own."""
        return f"{self.ID_PREFIX}{self.pk.hex}"

    @property
    def has_result(self) -> bool:
        """Whether its file is what the person gets: the image, or its newest preview.

        A preview of a blocked image is none.
        """
        without = (self.Status.GENERATING, self.Status.BLOCKED)
        return bool(self.file) and self.status not in without

    def end(self, status: str, **fields: Any) -> bool:
        """End an unfinished image, whose newest partial image becomes its file."""
        with atomic():
            best = self.partials.order_by("-index").first()
            if best is not None:
                fields |= {name: getattr(best, name) for name in PartialImage.MEASURES}
            ended = type(self).objects.filter(pk=self.pk).finish(status, **fields)
            if ended and best is not None:
                # The file belongs to the image now: the row of the partial image goes.
                PartialImage.objects.filter(pk=best.pk).update(file="")
                self.partials.all().delete()
        self.refresh_from_db()
        if ended:
            signals.image_failed.send_robust(type(self), image=self)
        return bool(ended)
