"""What staff have stopped."""

from __future__ import annotations

from django.db.models import Value
from django.utils.translation import gettext as _

from .. import models
from ..context import RequestContext
from ..exceptions import RequestRefused


def check_brakes(context: RequestContext, *, brake: bool = True) -> None:
    """Refuse what staff have stopped, with their words.

    Args:
        context: Who asks. The person may be blocked, or the owner.
        brake: Whether a brake for everybody counts, too.

    Raises:
        RequestRefused: If there is a block, or a brake.
    """
    block = models.OwnerBlock.objects.filter(
        owner__in={context.owner, context.person}
    ).order_by()
    found = block.values_list(Value("owner_blocked"), "words")
    if brake:
        on = models.Brake.objects.filter(is_on=True).order_by()
        found = found.union(on.values_list(Value("generation_stopped"), "words"))
    told = dict(found)
    if "owner_blocked" in told:
        words = told["owner_blocked"] or _("You may not chat here any more.")
        raise RequestRefused("owner_blocked", words, status=403)
    if told:
        words = told["generation_stopped"] or _(
            "No new answers are written at the moment. Please come back later."
        )
        # 503 would make clients repeat the request.
        raise RequestRefused("generation_stopped", words, status=429)
