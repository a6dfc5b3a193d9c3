"""What the admin's pages show above everything else."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

from django import template
from django.contrib.admin.sites import all_sites
from django.db import DatabaseError, connections
from django.template import RequestContext

from .. import models, transactions
from ..queries import brakes

logger = logging.getLogger(__name__)
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


@register.inclusion_tag("admin/chatkit_images/includes/panel.html", takes_context=True)
def chatkit_panel(context: RequestContext) -> dict[str, Any]:
    """Show today's numbers and what needs a look, as far as the person may see it.

    For the index of the admin. It shows nothing where the app has no pages.
    """
    request: Any = context.get("request")
    site = _site_of(request)
    if site is not None:
        for model in (models.GeneratedImage, models.Run, models.Thread):
            if site.is_registered(model):
                page: Any = site.get_model_admin(model)
                if hasattr(page, "get_panel"):
                    return {"panel": _read(page.get_panel(request))}
    return {"panel": None}


def _read(panel: Any) -> Any:
    """Return a panel with its numbers; ``None`` if the database does not give them.

    The index of all apps does not fail of it, as before a migration, or where a tenant
    has no tables of this app.
    """
    is_within = connections[transactions.alias()].in_atomic_block
    try:
        # What fails within a transaction would end all of it.
        with transactions.atomic() if is_within else nullcontext():
            _ = bool(panel) and panel.found
    except DatabaseError:
        logger.warning("The panel has no numbers", exc_info=True)
        return None
    return panel


def _site_of(request: Any) -> Any:
    """Return the admin that shows a page; ``None`` if nobody can tell."""
    view = getattr(getattr(request, "resolver_match", None), "func", None)
    page = getattr(view, "model_admin", view)
    if (site := getattr(page, "admin_site", None)) is not None:
        return site
    name = getattr(request, "current_app", None) or "admin"
    named = [each for each in all_sites if each.name == name]
    # Of two with one name it may be the other one, which shows what this one does not.
    return named[0] if len(named) == 1 else None
