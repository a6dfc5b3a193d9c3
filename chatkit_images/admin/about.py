"""What staff want to know of an image first: beside it, on its page and in the list."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from .. import models
from .base import may_view, page_url
from .image_fields import reason_of
from .markup import EMPTY, age, full_time, img, measure, status_badge

if TYPE_CHECKING:
    from .images import GeneratedImageAdmin


@dataclass(frozen=True)
class Fact:
    """A name and what stands beside it."""

    name: str
    html: Any


class About:
    """An image with the facts about it that are known.

    Args:
        page: The pages of images.
        request: Who looks.
        image: The image, of the pages' own rows.
    """

    def __init__(
        self,
        page: GeneratedImageAdmin,
        request: HttpRequest,
        image: models.GeneratedImage,
    ) -> None:
        self.page, self.request, self.image = page, request, image

    @property
    def title(self) -> str:
        """What the image is called."""
        return self.page.get_alt(self.image)

    @property
    def state(self) -> SafeString:
        """Its badges."""
        return self.page.state(self.image)

    @property
    def html(self) -> SafeString:
        """The image, or a tile in its place."""
        return self.page.render_image(self.image, "full")

    @property
    def image_url(self) -> str:
        """The address of its bytes; empty if it has none."""
        has_file = bool(self.image.file)
        return self.page.get_image_url(self.image, "full") if has_file else ""

    @property
    def page_url(self) -> str:
        """The address of its page."""
        site = self.page.admin_site
        return page_url(site, models.GeneratedImage, "change", self.image.pk)

    @property
    def delete_url(self) -> str:
        """The address of the page that deletes it; empty if the person may not."""
        if not self.page.has_delete_permission(self.request, self.image):
            return ""
        site = self.page.admin_site
        return page_url(site, models.GeneratedImage, "delete", self.image.pk)

    @property
    def link_url(self) -> str:
        """The address that makes a link; empty if the image may not have one."""
        return self.page.get_link_url(self.image) if self.image.is_shown else ""

    @property
    def reason(self) -> str:
        """Why it has no result."""
        return reason_of(self.image)

    @property
    def remedy(self) -> str:
        """What mends it."""
        found = self.page.remedy(self.image)
        return "" if found == EMPTY else found

    @cached_property
    def partials(self) -> list[dict[str, Any]]:
        """Its partial images, the first one first."""
        return [
            {
                "number": partial.index + 1,
                "url": (url := self.page.get_image_url(self.image, variant)),
                "image": img(
                    url, str(partial.index + 1), partial.width, partial.height, 320
                ),
            }
            for partial in self.image.partials.all()
            if partial.file and (variant := f"partial-{partial.index}")
        ]

    @cached_property
    def facts(self) -> list[Fact]:
        """The facts that there are, the first ones first."""
        image = self.image
        thread = self.page.conversation(image)
        found: list[tuple[str, Any]] = [
            (gettext("Asked by"), self.page.person(image)),
            (gettext("When"), self._when()),
            (gettext("Thread"), "" if thread == EMPTY else thread),
            (gettext("Answer"), self._run()),
            (gettext("Cost"), self.page.price(image)),
            (gettext("Size"), measure(image)),
            (gettext("Model"), image.model),
            # What answered; the provider has not said what drew it.
            (gettext("Chat model"), "" if image.model else image.chat_model),
            (gettext("Took"), self.page.final(image)),
            (gettext("Superseded"), self._superseded()),
        ]
        return [Fact(name, html) for name, html in found if html and html != EMPTY]

    def _when(self) -> SafeString:
        created = self.image.created_at
        shown = full_time(created)
        return format_html('{} <span class="ck-quiet">({})</span>', shown, age(created))

    def _superseded(self) -> str:
        moment = self.image.superseded_at
        if moment is None:
            return ""
        text = gettext("A retry took it out of its thread: %(time)s.")
        return text % {"time": full_time(moment)}

    def _run(self) -> SafeString | str:
        run = self.image.run
        if run is None:
            return ""
        state = status_badge(run)
        site = self.page.admin_site
        if not may_view(site, self.request, models.Run):
            return state
        url = page_url(site, models.Run, "change", run.pk)
        return format_html('<a href="{}">{}</a> {}', url, gettext("its run"), state)
