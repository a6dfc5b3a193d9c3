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
    def PROXY_CACHE_SECONDS(self) -> int:
        """Seconds for which nginx may keep what a signed URL shows. Default: 0.

        Whoever has the URL gets the file from nginx then, without the app; also that of
        an image that was removed or blocked meanwhile. Only a cache of nginx that
        docs/operations.md describes heeds it; other caches keep nothing.
        """
        return int(self._get("PROXY_CACHE_SECONDS", 0))
