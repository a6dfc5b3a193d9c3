"""What each page of an export has around it: its head, its style, and its times."""

from __future__ import annotations

import datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, get_language_bidi

# Nothing but what is beside the page, and no script, also in what a file shows.
POLICY = (
    "default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)
STYLE = """
:root { color-scheme: light dark; --line: #d5d9e0; --soft: #5b6472; --mine: #e9effc; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3c434f; --soft: #a5aebc; --mine: #232f49; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 46rem; padding: 1.5rem 1rem 4rem;
  font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; }
a { color: light-dark(#1a4fc4, #8fb4ff); }
ul.chats { list-style: none; padding: 0; }
ul.chats li { border-top: 1px solid var(--line); padding: .6rem 0; }
.soft, time { color: var(--soft); font-size: .875rem; }
article { border-top: 1px solid var(--line); padding: .9rem 0; }
article.user_message { background: var(--mine); border: 0; border-radius: .75rem;
  margin: 1rem 0; padding: .75rem 1rem; }
article header { display: flex; flex-wrap: wrap; gap: 0 .75rem; align-items: baseline; }
.words { white-space: pre-wrap; margin: .25rem 0; }
blockquote { border-inline-start: 3px solid var(--line); margin: .25rem 0;
  padding-inline-start: .75rem; color: var(--soft); white-space: pre-wrap; }
figure { margin: .5rem 0; }
figure img { display: block; max-width: 100%; height: auto; max-height: 80vh;
  border-radius: .5rem; }
figcaption { color: var(--soft); font-size: .875rem; margin-top: .35rem; }
pre { white-space: pre-wrap; font-size: .8125rem; }
@media print { article { break-inside: avoid; } }
"""


def head(title: str) -> str:
    """Return the beginning of a page."""
    return format_html(
        '<!doctype html>\n<html lang="{}" dir="{}">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="{}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        "<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n",
        get_language() or "en",
        "rtl" if get_language_bidi() else "ltr",
        POLICY,
        title,
        mark_safe(STYLE),
    )


def foot() -> str:
    """Return the end of a page."""
    return "</body>\n</html>\n"


def time(value: datetime.datetime) -> SafeString:
    """Return a time as a page shows it."""
    if timezone.is_aware(value):
        value = timezone.localtime(value)
    return format_html(
        '<time datetime="{}">{}</time>',
        value.isoformat(timespec="seconds"),
        date_format(value, "DATETIME_FORMAT"),
    )
