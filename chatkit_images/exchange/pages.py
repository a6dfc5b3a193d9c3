"""The pages of an export: a list of chats, and each chat to read, without a script.

A page may be opened from a disk. Whatever people and models have written is text in it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .. import imaging, models
from . import frame, texts


@dataclass(frozen=True)
class File:
    """A file of the archive as a page shows it.

    Attributes:
        path: Its path; ``None`` if its bytes are not in the archive.
        name: What a person calls it.
        mime: Its type.
        size: Width and height, if it has them.
        caption: What is said of it.
        alt: What it shows, for who cannot see it.
        gone: What is said of it if its bytes are not in the archive.
    """

    path: str | None
    name: str
    mime: str
    size: tuple[int | None, int | None] = (None, None)
    caption: str = ""
    alt: str = ""
    gone: str = ""


def index_head(made: datetime.datetime, said: Iterable[str]) -> str:
    """Return the beginning of the page that lists the chats.

    Args:
        made: When the export was made.
        said: Sentences about what is in it.
    """
    title = _("Your chats and images")
    return (
        frame.head(title)
        + format_html('<h1>{}</h1>\n<p class="soft">{}</p>\n', title, frame.time(made))
        + format_html_join("", "<p>{}</p>\n", ((each,) for each in said))
        + '<ul class="chats">\n'
    )


def index_entry(path: str, thread: models.Thread, items: int, images: int) -> str:
    """Return a chat in the list."""
    return format_html(
        '<li><a href="{}"><bdi>{}</bdi></a><br>'
        '<span class="soft">{} · {}</span></li>\n',
        path,
        title_of(thread),
        frame.time(thread.created_at),
        ", ".join((_entries(items), _images(images))),
    )


def index_foot() -> str:
    """Return the end of the list."""
    return "</ul>\n" + frame.foot()


def title_of(thread: models.Thread) -> str:
    """Return what a chat is called."""
    return thread.title or _("Untitled chat")


def chat_head(thread: models.Thread) -> str:
    """Return the beginning of the page of a chat."""
    title = title_of(thread)
    return frame.head(title) + format_html(
        '<p><a href="../index.html">{}</a></p>\n<h1 dir="auto">{}</h1>\n'
        '<p class="soft">{}</p>\n',
        _("All chats"),
        title,
        frame.time(thread.created_at),
    )


def item(
    row: models.ThreadItem, images: Mapping[str, File], files: Mapping[str, File]
) -> str:
    """Return an item.

    Args:
        row: Its row.
        images: The images of the chat, by key in hexadecimal.
        files: The attachments of the chat, by id.
    """
    parts: list[SafeString] = []
    if quoted := texts.quoted_in(row.payload):
        parts.append(format_html('<blockquote dir="auto">{}</blockquote>', quoted))
    if words := texts.words_of(row.payload):
        parts.append(format_html('<p class="words" dir="auto">{}</p>', words))
    named, linked = texts.references_in(row.payload)
    sent = dict.fromkeys(texts.attachments_in(row.payload) + linked)
    parts += [shown(files[key]) for key in sent if key in files]
    parts += [shown(images[key]) for key in named if key in images]
    if row.type == "generated_image":
        known = images.get(texts.image_in(row.payload))
        gone = format_html('<p class="soft">{}</p>', _("This image is not here."))
        parts.append(shown(known) if known else gone)
    elif row.type not in texts.SPOKEN:
        parts.append(
            format_html(
                "<details><summary>{}</summary><pre>{}</pre></details>",
                _("Details"),
                texts.data_of(row.payload),
            )
        )
    # A type is a word of ChatKit's, or of a project's own.
    return format_html(
        '<article class="{}"><header><strong>{}</strong>{}</header>{}</article>\n',
        row.type,
        _("Note") if row.is_note else texts.name_of(row.type),
        frame.time(row.created_at),
        mark_safe("".join(parts)),
    )


def earlier(files: Iterable[File]) -> Iterator[str]:
    """Yield the images that a chat does not show any more."""
    for number, file in enumerate(files):
        if not number:
            yield format_html("<h2>{}</h2>\n", _("Earlier versions"))
        yield shown(file)


def shown(file: File) -> SafeString:
    """Return a file: an image, or a link to it."""
    caption = format_html(
        '<figcaption dir="auto">{}</figcaption>', file.caption or file.name
    )
    if file.path is None:
        text = _("%(name)s is not in this export.") % {"name": file.name}
        return format_html('<p class="soft">{} <bdi>{}</bdi></p>', text, file.gone)
    href = f"../{quote(file.path)}"
    if file.mime not in imaging.SHOWN:
        return format_html('<p><a href="{}" download>{}</a></p>', href, file.name)
    width, height = file.size
    size = format_html(' width="{}" height="{}"', width, height) if width else ""
    # An SVG that is opened by itself is a document, and may have scripts.
    into = "" if file.mime in imaging.INLINE else " download"
    return format_html(
        '<figure><a href="{}"{}><img src="{}" alt="{}" loading="lazy"{}></a>{}'
        "</figure>\n",
        href,
        into,
        href,
        file.alt or file.name,
        size,
        caption,
    )


def of_image(row: models.GeneratedImage, path: str | None) -> File:
    """Return an image as pages show it."""
    by = row.model or row.chat_model or row.provider
    made = _("AI-generated by %(model)s") % {"model": by} if by else _("AI-generated")
    prompt = row.revised_prompt or row.prompt
    ended = "" if row.status == row.Status.COMPLETED else row.get_status_display()
    return File(
        path,
        _("The image"),
        row.mime,
        (row.width, row.height),
        _listed(made, ended, prompt),
        prompt or _("An image"),
        _listed(ended, prompt),
    )


def of_attachment(row: models.Attachment, path: str | None) -> File:
    """Return an attachment as pages show it."""
    size = filesizeformat(row.bytes) if row.bytes else ""
    caption = f"{row.name} · {size}" if size else row.name
    return File(path, row.name, row.mime_type, (row.width, row.height), caption)


def _listed(*words: str) -> str:
    return " · ".join(str(each) for each in words if each)


def _entries(count: int) -> str:
    return ngettext("%(count)d entry", "%(count)d entries", count) % {"count": count}


def _images(count: int) -> str:
    return ngettext("%(count)d image", "%(count)d images", count) % {"count": count}
