"""The settings of the app: one dict, ``CHATKIT_IMAGES``, read when used.

The docstring of each property is its documentation; ``docs/settings.md`` is
made from them.
"""

from __future__ import annotations

from typing import Literal, cast

from .limits import Limits, Use, checked_limits
from .model_input import MODEL_FORMATS, MODEL_IMAGES, ModelInput
from .people import People
from .prices import Costs
from .retention import Keeping, Retention, checked_retention
from .runs import ON_DISCONNECT, Runs
from .serving import Serving
from .storing import Storing
from .tuning import Tuning

__all__ = [
    "ATTACHMENT_UPLOADS",
    "IMAGE_URLS",
    "MODEL_FORMATS",
    "MODEL_IMAGES",
    "ON_DISCONNECT",
    "Limits",
    "Retention",
    "Settings",
    "Tuning",
    "checked_limits",
    "checked_retention",
    "settings",
]
ATTACHMENT_UPLOADS = ("app", "storage")
IMAGE_URLS = ("signed", "storage", "session")


class Settings(ModelInput, People, Use, Costs, Keeping, Runs, Serving, Storing, Tuning):
    """Typed access to ``settings.CHATKIT_IMAGES``."""

    # The server

    @property
    def SERVER(self) -> str | None:
        """Dotted path of the project's ``ChatKitServer``. Required by the endpoint."""
        return cast("str | None", self._get("SERVER", None))

    @property
    def MAX_BODY_BYTES(self) -> int:
        """Largest request body of the chat endpoint, in bytes. Default: 10 MiB."""
        return int(self._get("MAX_BODY_BYTES", 10 * 2**20))

    @property
    def TRANSCRIPTION_MODEL(self) -> str:
        """Model that turns dictation into text.

        Default: ``"gpt-4o-mini-transcribe"``.
        """
        return str(self._get("TRANSCRIPTION_MODEL", "gpt-4o-mini-transcribe"))

    @property
    def HISTORY_ITEMS(self) -> int:
        """Newest thread items that a turn sends to the model. Default: 100.

        At most: with one item more only the newest third goes along, and it grows
        again. So most inputs begin as the one before, which providers have in a cache.
        """
        return int(self._get("HISTORY_ITEMS", 100))

    @property
    def NOTES(self) -> str | None:
        """Dotted path of a function that words why there is no result.

        It gets the row of an image or a run and the app's own words, and returns
        others, or ``None`` for the app's. Default: ``None``.
        """
        return cast("str | None", self._get("NOTES", None))

    @property
    def FAILURES(self) -> str | None:
        """Dotted path of a function that says what an exception of a provider's means.

        It gets an exception, and returns a ``chatkit_images.failures.Failure``, or
        ``None`` to leave it to the app. Default: ``None``.
        """
        return cast("str | None", self._get("FAILURES", None))

    @property
    def SAFETY_IDENTIFIER(self) -> bool:
        """Whether OpenAI gets a digest of the person with each request.

        With it OpenAI can act against one person who abuses a model, instead of the
        project. The digest is keyed with ``SECRET_KEY``. Default: ``True``.
        """
        return bool(self._get("SAFETY_IDENTIFIER", True))

    @property
    def PROMPT_CACHE_KEY(self) -> bool:
        """Whether OpenAI gets a digest of the thread with each request.

        With it OpenAI finds the beginning of the next turn's input in its cache. The
        digest is keyed with ``SECRET_KEY``. Default: ``True``.
        """
        return bool(self._get("PROMPT_CACHE_KEY", True))

    # URLs

    @property
    def IMAGE_URLS(self) -> Literal["signed", "storage", "session"]:
        """Where the browser gets an image from. Default: ``"signed"``.

        ``"signed"``: the app's own route; the URL carries a signature and needs
        no cookie, as ChatKit.js shows images in a frame of another site.
        ``"storage"``: the storage's own URL.
        ``"session"``: the app's own route, for the logged-in owner only. ChatKit.js
        cannot use it: its frame of another site gets no cookie.
        """
        return cast(
            "Literal['signed', 'storage', 'session']",
            self._get("IMAGE_URLS", "signed"),
        )

    @property
    def URL_MAX_AGE(self) -> int:
        """Seconds a signed URL stays valid at least. Default: 3600."""
        return int(self._get("URL_MAX_AGE", 3600))

    @property
    def BASE_URL(self) -> str | None:
        """Scheme and host of absolute URLs, e.g. ``"https://shop.example"``.

        Default: ``None``, the host of the request.
        """
        return cast("str | None", self._get("BASE_URL", None))

    # Images

    @property
    def MAX_IMAGE_BYTES(self) -> int:
        """Largest image that is accepted, in bytes. Default: 50 MiB."""
        return int(self._get("MAX_IMAGE_BYTES", 50 * 2**20))

    @property
    def MAX_IMAGE_PIXELS(self) -> int:
        """Most pixels of an image that is accepted. Default: 40 million."""
        return int(self._get("MAX_IMAGE_PIXELS", 40_000_000))

    @property
    def KEEP_PARTIAL_IMAGES(self) -> bool:
        """Whether previews stay after the final image is in. Default: ``False``."""
        return bool(self._get("KEEP_PARTIAL_IMAGES", False))

    # Attachments

    @property
    def MAX_ATTACHMENT_BYTES(self) -> int:
        """Largest attachment, in bytes. Default: 20 MiB."""
        return int(self._get("MAX_ATTACHMENT_BYTES", 20 * 2**20))

    @property
    def ATTACHMENT_TYPES(self) -> tuple[str, ...]:
        """MIME types that an attachment may have, read from its bytes.

        Default: PNG, JPEG, WebP, GIF, PDF and plain text.
        """
        default = (
            "image/png",
            "image/jpeg",
            "image/webp",
            "image/gif",
            "application/pdf",
            "text/plain",
        )
        return tuple(self._get("ATTACHMENT_TYPES", default))

    @property
    def ATTACHMENT_UPLOADS(self) -> Literal["app", "storage"]:
        """Where a browser sends a file in two steps: to the app, or to the storage.

        ``"storage"`` needs S3 and no ``FILE_CIPHER``; docs/storage.md has the rules of
        the bucket. The app looks at the bytes there before they count. Uploads in one
        step always go to the app. Default: ``"app"``.
        """
        value = self._get("ATTACHMENT_UPLOADS", "app")
        return cast("Literal['app', 'storage']", value)

    @property
    def STRIP_METADATA(self) -> bool | str:
        """Whether EXIF, GPS positions and other metadata are removed from uploads.

        The look of an image does not change, and an image that a model made stays as it
        came. An upload with content credentials (C2PA) of its own is kept whole, as
        these are lost with any other byte: so a photo that the camera has signed also
        keeps the place where it was taken. ``"always"`` removes metadata from such
        images too, and their credentials. Default: ``True``.
        """
        value = self._get("STRIP_METADATA", True)
        return value if value == "always" else bool(value)


settings = Settings()
