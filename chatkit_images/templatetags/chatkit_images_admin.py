"""What the admin's pages show above everything else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template
from django.template import RequestContext

from ..queries import brakes

register = template.Library()


# Django imports this module without the admin, too, so it must not import the admin.
@register.inclusion_tag("admin/chatkit_images/includes/brake.html", takes_context=True)
def chatkit_brake(context: RequestContext) -> dict[str, Any]:
    """Say that the brake is on, if it is, with a link to its page."""
    brake = brakes.brakes_on().first()
    request = context.get("request")
    may = [f"chatkit_images.{verb}_brake" for verb in ("view", "change")]
    may_open = request is not None and any(map(request.user.has_perm, may))
    return {
        "request": request,
        "brake": brake,
        "may_open": may_open,
        "words": brakes.words_of(brake),
    }


@register.filter
def differ(rows: Iterable[Any], name: str) -> bool:
    """Return whether rows differ in what they say by a name."""
    return len({getattr(row, name) for row in rows}) > 1
