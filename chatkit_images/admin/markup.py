"""Pieces of pages. Texts of people are escaped here, by ``format_html``."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext

from .. import models, reports
from ..cleaning import clean, clip, plain_json
from ..contexts import context_class
from ..queries.costs import currency

JSON_LENGTH = 20_000
EMPTY = "-"


def badge(kind: str, label: Any, told: str = "") -> SafeString:
    """Return a coloured word.

    Args:
        kind: What it looks like.
        label: The word.
        told: What it means, for whoever points at it or hears the page.
    """
    hidden = format_html('<span class="visually-hidden">: {}</span>', told)
    return format_html(
        '<span class="ck-badge ck-is-{}"{}>{}{}</span>',
        kind,
        format_html(' title="{}"', told) if told else "",
        label,
        hidden if told else "",
    )


def status_badge(row: Any) -> SafeString:
    """Return the status of an image, a run or a thread as a badge."""
    told = ""
    if row.status == models.Run.Status.INTERRUPTED:
        told = gettext("Its worker ended, or was lost, before there was a result.")
    return badge(row.status, row.get_status_display(), told)


def words_of(reason: str) -> str:
    """Return a reason for which there is no result, in words."""
    return str(reason).replace("_", " ")


def tile(text: str, alt: str = "", kind: str = "") -> SafeString:
    """Return words in the place of an image.

    Args:
        text: The words.
        alt: What the image would show, for people who do not see it.
        kind: What the tile looks like: a status.
    """
    hidden = format_html('<span class="visually-hidden">: {}</span>', alt)
    return format_html(
        '<span class="ck-tile{}">{}{}</span>',
        f" ck-tile-{kind}" if kind else "",
        text,
        hidden if alt else "",
    )


def age(moment: datetime.datetime) -> SafeString:
    """Return how long ago a moment was, with the moment for whoever points at it."""
    local = local_time(moment)
    words = gettext("%(age)s ago") % {"age": timesince(moment, depth=1)}
    if timezone.now() - moment < datetime.timedelta(minutes=1):
        words = gettext("just now")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(),
        date_format(local, "DATETIME_FORMAT"),
        words,
    )


def prompt_of(text: str) -> SafeString:
    """Return words of a person, in the direction of their own language."""
    return format_html('<span class="ck-prompt" dir="auto">{}</span>', text)


def img(
    url: str, alt: str, width: int | None, height: int | None, side: int | None = None
) -> SafeString:
    """Return an image with its place reserved; a script replaces a lost one by a tile.

    Args:
        url: Its address.
        alt: What it shows.
        width: Its pixels.
        height: Its pixels.
        side: Longest side of a thumbnail.
    """
    width, height = width or side or 512, height or side or 512
    scale = min(1.0, side / max(width, height)) if side else 1.0
    return format_html(
        '<img class="ck-image" src="{}" alt="{}" width="{}" height="{}"{} '
        'data-missing="{}">',
        url,
        alt,
        max(1, round(width * scale)),
        max(1, round(height * scale)),
        format_html(' loading="{}" decoding="async"', "lazy") if side else "",
        gettext("The file is missing"),
    )


def pretty(value: Any) -> SafeString | str:
    """Return JSON, indented for people."""
    if not value:
        return EMPTY
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        # It is nested too deeply, or has a number of thousands of digits.
        text = json.dumps(plain_json({"…": value}), indent=2, ensure_ascii=False)
    text = clean(text)
    if len(text) > JSON_LENGTH:
        text = f"{text[: JSON_LENGTH - 1]}…"
    return format_html('<pre class="ck-json" tabindex="0">{}</pre>', text)


def measure(obj: Any) -> str:
    """Return pixels and bytes of a file."""
    # No-break spaces: a narrow column would tear the figures apart.
    pixels = f"{obj.width}\xa0×\xa0{obj.height}" if obj.width and obj.height else ""
    weight = filesizeformat(obj.bytes) if obj.bytes else ""
    return ", ".join(filter(None, (pixels, weight))) or EMPTY


def seconds(ms: int | None) -> str:
    """Return milliseconds as seconds."""
    if ms is None:
        return EMPTY
    return gettext("%(seconds)s s") % {"seconds": f"{ms / 1000:.1f}"}


def money(cost: Decimal | None, digits: int | None = None) -> str:
    """Return a cost in the currency of the project.

    Args:
        cost: The cost; ``None`` if it is unknown.
        digits: How many decimals. Default: as many as it has, two to six.
    """
    if cost is None:
        return EMPTY
    if digits is None:
        digits = min(6, max(2, -int(cost.normalize().as_tuple().exponent)))
    # Django's function cuts off what it does not show.
    cost = cost.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    number = number_format(cost, digits, use_l10n=True, force_grouping=True)
    # A no-break space: a narrow column would tear them apart.
    return f"{currency()}\xa0{number}".strip()


def local_time(moment: datetime.datetime) -> datetime.datetime:
    """Return a time in the zone of who reads it, if columns have zones."""
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment


def full_time(moment: datetime.datetime) -> str:
    """Return a time as the language writes it."""
    return date_format(local_time(moment), "DATETIME_FORMAT")


def phase_list(phases: list[reports.Phase]) -> SafeString | str:
    """Return where the time of a row went, a line for each phase."""
    lines = [
        ("ck-is-within" if each.within else "", each.label, seconds(each.ms))
        for each in phases
    ]
    rows = format_html_join("", '<li class="{}">{}: {}</li>', lines)
    return format_html('<ul class="ck-phases">{}</ul>', rows) if lines else EMPTY


def duration(start: datetime.datetime, end: datetime.datetime | None) -> str:
    """Return the time between, as seconds."""
    return seconds(round((end - start).total_seconds() * 1000) if end else None)


def with_block(name: str, row: Any) -> SafeString | str:
    """Return the name of a row's owner, with a badge if the owner is blocked."""
    if not getattr(row, "owner_is_blocked", False):
        return name
    return format_html("{} {}", name, badge("blocked", gettext("blocked")))


def name_of(thread: models.Thread) -> str:
    """Return a thread's title, or the beginning of its id."""
    return clip(thread.title or "", 60) or clip(thread.pk, 16)


def owner_of(row: Any) -> str:
    """Return the user of a row, and its owner if that is another: a team, a visitor.

    Of a key only the beginning is shown, as that of a visitor is a secret.
    """
    key = clip(row.owner, 16)
    if row.user is None:
        return key
    name = str(row.user.get_username())
    return name if row.owner == context_class().own_key(row.user) else f"{name} ({key})"


@dataclass(frozen=True)
class Number:
    """A number with its words, and the list of what it counts."""

    name: str
    value: str
    url: str
