"""What staff have stopped: everybody, or one owner."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from .. import models
from ..cleaning import clip
from ..queries import brakes
from .base import ChatKitModelAdmin
from .lists import OwnerFilter
from .markup import badge


class StaffModelAdmin(ChatKitModelAdmin):
    """Rows that staff make, each with who did it."""

    owner_path = None
    list_order = "-pk"
    # The field that names who has changed a row.
    by: str

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Return what Django says."""
        codename = f"{self.opts.app_label}.add_{self.opts.model_name}"
        return bool(request.user.has_perm(codename))

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """Note who did it."""
        setattr(obj, self.by, request.user)
        super().save_model(request, obj, form, change)


@admin.register(models.Brake)
class BrakeAdmin(StaffModelAdmin):
    """The one row that stops all new generation while it is on."""

    by = "changed_by"
    list_display = ["state", "told", "changed_by", "changed_at"]
    list_select_related = ["changed_by"]
    list_empty = _("There is no brake: everybody gets answers.")
    list_note = _(
        "While the brake is on, nobody gets a new answer; people read its words. "
        "Answers on their way go on. Everything that is there can be read."
    )
    fields = ["is_on", "words", ("changed_by", "changed_at")]
    readonly_fields = ["changed_by", "changed_at"]

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Return what Django says, as long as there is no brake: one is enough."""
        return super().has_add_permission(request) and not (
            models.Brake.objects.exists()
        )

    @admin.display(description=_("status"))
    def state(self, obj: models.Brake) -> SafeString:
        """Show whether it is on."""
        if obj.is_on:
            return badge("failed", pgettext("brake", "on"))
        return badge("completed", pgettext("brake", "off"))

    @admin.display(description=_("words"))
    def told(self, obj: models.Brake) -> str:
        """Show what people read."""
        return clip(brakes.words_of(obj), 80)


@admin.register(models.OwnerBlock)
class OwnerBlockAdmin(StaffModelAdmin):
    """The owners who may not chat."""

    by = "blocked_by"
    list_display = ["key", "told", "blocked_by", "created_at"]
    list_select_related = ["blocked_by"]
    list_note = _(
        "A blocked owner gets no new answers, and answers on their way end within "
        "seconds. Delete a row to let its owner chat again. Owners can be blocked on "
        "the pages of their threads, runs, images and attachments, too."
    )
    list_empty = _("Nobody is blocked.")
    list_filter = [OwnerFilter]
    person_path = ""
    search_keys = ("owner",)
    search_fields = ["owner", "words"]
    search_help_text = _("Owner, words")
    fields = ["owner", "words", ("blocked_by", "created_at")]
    readonly_fields = ["blocked_by", "created_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields, and the owner once there is a row."""
        return [*self.readonly_fields, *(["owner"] if obj else [])]

    @admin.display(description=_("owner"))
    def key(self, obj: models.OwnerBlock) -> str:
        """Show the beginning of the key, as that of a visitor is a secret."""
        return clip(obj.owner, 16)

    @admin.display(description=_("words"))
    def told(self, obj: models.OwnerBlock) -> str:
        """Show what the person reads."""
        return clip(obj.words, 80) or gettext("(standard words)")
