"""Pages of models with images, and the route that serves the bytes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from .. import imaging
from ..contexts import context_class, working_for
from ..views import row_files
from ..views.files import ServedFile, file_response
from ..views.keeping import Keeping
from .base import ReadOnlyModelAdmin
from .markup import EMPTY, img, measure, tile

# Seconds that a browser keeps bytes. They are few, because the person may lose the
# permission.
MAX_AGE = 300


class ImageModelAdmin(ReadOnlyModelAdmin):
    """Pages of a model with images."""

    thumbnail_side = 320
    mime_field = "mime"

    class Media:
        css = {"all": ["chatkit_images/admin/image.css"]}

    @property
    def image_url_name(self) -> str:
        """Name of the route, without the namespace of the site."""
        return f"{self.opts.app_label}_{self.opts.model_name}_image"

    def get_urls(self) -> list[URLPattern]:
        """Put the route before the pages, whose last pattern matches everything."""
        view = self.admin_site.admin_view(self.image_view, cacheable=True)
        route = "<path:object_id>/image/<slug:variant>/"
        # During a rolling deploy, pages of the version before have the other one.
        before = "<path:object_id>/picture/<slug:variant>/"
        return [
            path(route, view, name=self.image_url_name),
            path(before, view),
            *super().get_urls(),
        ]

    @method_decorator(require_safe)
    def image_view(
        self, request: HttpRequest, object_id: str, variant: str
    ) -> HttpResponseBase:
        """Answer with the bytes; 404 for what the person may not see."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None or not self.has_view_permission(request, obj):
            raise Http404
        with working_for(context_class().for_owner("", None, request)):
            file = self.get_file(obj, variant)
        if file is None or not file.name:
            raise Http404
        return file_response(
            request,
            file,
            filename=self.get_filename(obj, file.name),
            keeping=Keeping(MAX_AGE),
            inline="download" not in request.GET,
        )

    def get_file(self, obj: Any, variant: str) -> ServedFile | None:
        """Return a variant's file; ``None`` if there is none."""
        if variant == "thumbnail":
            return row_files.in_small(obj)
        return row_files.original(obj) if variant == "full" else None

    def get_image_url(self, obj: Any, variant: str) -> str:
        """Return the address of a variant's bytes."""
        return reverse(
            f"admin:{self.image_url_name}",
            args=[quote(obj.pk), variant],
            current_app=self.admin_site.name,
        )

    def get_filename(self, obj: Any, name: str) -> str:
        """Return what a browser calls a download."""
        return f"{obj.pk}.{name.rpartition('.')[2]}"

    def get_alt(self, obj: Any) -> str:
        """Return the words for people who do not see the image."""
        return str(obj)

    def get_tile_text(self, obj: Any) -> str:
        """Return the words in the place of an image that cannot be shown."""
        if not obj.file:
            return gettext("No image")
        kind: str = getattr(obj, self.mime_field).rpartition("/")[2]
        return kind.partition("+")[0].upper()

    def get_kind(self, obj: Any) -> str:
        """Return what the tile of an image without a file looks like."""
        return ""

    def render_image(self, obj: Any, variant: str) -> SafeString:
        """Return the image, or a tile that says why there is none."""
        if not obj.file or getattr(obj, self.mime_field) not in imaging.SHOWN:
            return tile(self.get_tile_text(obj), self.get_alt(obj), self.get_kind(obj))
        side = self.thumbnail_side if variant == "thumbnail" else None
        url = self.get_image_url(obj, variant)
        return img(url, self.get_alt(obj), obj.width, obj.height, side)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Add the image, which the template shows above the fields."""
        obj = context["original"]
        context["image"] = self.render_image(obj, "full")
        context["image_url"] = self.get_image_url(obj, "full") if obj.file else ""
        context["measure"] = measure(obj)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("image"))
    def image(self, obj: Any) -> SafeString:
        """Show the thumbnail."""
        return self.render_image(obj, "thumbnail")

    @admin.display(description=_("size"))
    def dimensions(self, obj: Any) -> str:
        """Show pixels and bytes."""
        return measure(obj)

    @admin.display(description=_("file"))
    def file_name(self, obj: Any) -> str:
        """Show the name in the storage; a link would bypass this admin."""
        return str(obj.file.name or EMPTY)
