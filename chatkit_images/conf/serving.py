"""Settings of who sends the bytes of files to browsers."""

from __future__ import annotations

from typing import cast

from .base import Group


class Serving(Group):
    """How files are served."""

    # Serving

    @property
    def OFFLOAD(self) -> dict[str, str]:
        """By the alias of a storage: who sends its files in place of the app.

        A path, such as ``"/_images/"``, is an internal location of nginx, to which the
        app hands an answer over by ``X-Accel-Redirect``. ``"redirect"`` sends browsers
        to the storage's own URL, as S3 signs it. Files that are encrypted or still in
        the spool come from the app. docs/operations.md has the lines for nginx.
        Default: none, the app sends all files.
        """
        return cast("dict[str, str]", self._get("OFFLOAD", {}))

    @property
    def MOVE_HIDDEN(self) -> bool:
        """Whether the file of an image that is hidden or held gets another name.

        It counts with ``IMAGE_URLS = "storage"`` only, whose URLs open a file without
        asking the app: for as long as they are signed, and for ever if the storage does
        not sign them. Then no URL that somebody has kept opens anything. The file is
        copied within its storage. Default: ``False``.
        """
        return bool(self._get("MOVE_HIDDEN", False))

    @property
    def PROXY_CACHE_SECONDS(self) -> int:
        """Seconds for which nginx may keep what a signed URL shows. Default: 0.

        Whoever has the URL gets the file from nginx then, without the app; also that of
        an image that was removed or blocked meanwhile. Only a cache of nginx that
        docs/operations.md describes heeds it; other caches keep nothing.
        """
        return int(self._get("PROXY_CACHE_SECONDS", 0))
