"""Settings that few projects change, in a dict of their own."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from .base import Group


class Tuning(Group):
    """Sizes and times that fit most servers as they are.

    They are read from ``CHATKIT_IMAGES["TUNING"]``. Code that uses a setting need not
    know in which dict a project writes it.
    """

    def _tuned(self, name: str, default: Any) -> Any:
        # They stood in ``CHATKIT_IMAGES`` itself once; a check warns of that.
        return self.TUNING.get(name, self._get(name, default))

    # Tuning

    @property
    def TUNING(self) -> dict[str, float]:
        """The settings below, in a dict of their own. Default: empty.

        Few projects need to change one. ``"TUNING": {"DATABASE_THREADS": 8}``, for
        example.
        """
        values = self._get("TUNING", {})
        if not isinstance(values, dict):
            raise ImproperlyConfigured(
                f"CHATKIT_IMAGES['TUNING'] must be a dict, got {type(values).__name__}."
            )
        return values

    @property
    def HEARTBEAT_SECONDS(self) -> float:
        """Seconds of silence before a stream sends a keep-alive comment. Default: 15.

        Many proxies cut a connection that is silent for 60 seconds.
        """
        return float(self._tuned("HEARTBEAT_SECONDS", 15))

    @property
    def RECONNECT_SECONDS(self) -> float:
        """Seconds in which a client that can resume may come back. Default: 20.

        Afterwards it has left, and ``ON_DISCONNECT`` decides. ``chatkit-fetch.js`` can
        resume; ChatKit.js alone cannot.
        """
        return float(self._tuned("RECONNECT_SECONDS", 20))

    @property
    def RUN_STALE_SECONDS(self) -> float:
        """Seconds without a heartbeat after which a run counts as dead. Default: 60.

        The thread of a dead run accepts messages again, and its unfinished images end
        as interrupted.
        """
        return float(self._tuned("RUN_STALE_SECONDS", 60))

    @property
    def PROVIDER_PAUSE_SECONDS(self) -> float:
        """Seconds for which a provider that is away is not asked. Default: 5.

        People read that the service cannot answer, and when to try again. The pause
        doubles each time that the provider is still away, to a minute. 0 lets each
        run find out for itself.
        """
        return float(self._tuned("PROVIDER_PAUSE_SECONDS", 5))

    @property
    def RUN_LOG_BYTES(self) -> int:
        """Bytes of a run's newest events that are kept as they are. Default: 1 MiB.

        Older ones are folded into what they show.
        """
        return int(self._tuned("RUN_LOG_BYTES", 2**20))

    @property
    def RUN_LOG_SECONDS(self) -> float:
        """Seconds for which a stream can be resumed after its end. Default: 300.

        Later a client gets the thread's items from the database.
        """
        return float(self._tuned("RUN_LOG_SECONDS", 300))

    @property
    def DATABASE_THREADS(self) -> int:
        """Threads in which runs use the database. Default: 4.

        Read once per process. Each thread has a connection while there is work, so all
        runs of a process together use that many connections.
        """
        return int(self._tuned("DATABASE_THREADS", 4))

    @property
    def STORAGE_ATTEMPTS(self) -> int:
        """Times a write is tried before its bytes go to the spool. Default: 3."""
        return int(self._tuned("STORAGE_ATTEMPTS", 3))

    @property
    def STORAGE_BACKOFF_SECONDS(self) -> float:
        """Seconds before a write's second try; it doubles each time. Default: 0.5."""
        return float(self._tuned("STORAGE_BACKOFF_SECONDS", 0.5))

    @property
    def STORAGE_TIMEOUT(self) -> float:
        """Seconds that a write may take, from its beginning. Default: 10.

        Afterwards the file is served from the spool; the write goes on by itself. What
        has waited as long for a thread goes to the spool as well. A read for the model,
        a look at a file that was sent straight to S3, and each read of a file that a
        tool hands in, may take as long.
        """
        return float(self._tuned("STORAGE_TIMEOUT", 10))

    @property
    def STORAGE_THREADS(self) -> int:
        """Threads that store final images. Default: 8. Read once per process.

        Half as many store previews, as many store uploads, and as many read files for
        the model.
        """
        return int(self._tuned("STORAGE_THREADS", 8))

    @property
    def STORAGE_MEMORY_BYTES(self) -> int:
        """Bytes of images that may wait for the storage in memory. Default: 128 MiB.

        Above it final images wait in the spool and previews are left out. An eighth as
        much is there for uploads.
        """
        return int(self._tuned("STORAGE_MEMORY_BYTES", 128 * 2**20))

    @property
    def DECODE_MEMORY_BYTES(self) -> int:
        """Bytes that all decoders of a process take at once. Default: 208 MiB.

        Others wait. An upload that needs more alone is refused, a final is kept without
        a thumbnail; docs/images.md says what an image of each format needs.
        """
        return int(self._tuned("DECODE_MEMORY_BYTES", 208 * 2**20))

    @property
    def MODEL_CACHE_BYTES(self) -> int:
        """Bytes of files for the model that a process keeps. Default: 64 MiB.

        They are kept as requests have them, so that a later turn neither reads nor
        encodes them again. 0 keeps none.
        """
        return int(self._tuned("MODEL_CACHE_BYTES", 64 * 2**20))

    @property
    def UPLOAD_WAITING_BYTES(self) -> int:
        """Bytes of uploads that a process works on at once. Default: 128 MiB.

        Half of them are there for one owner; of files it is 24 of 64. Who finds no room
        is refused and told when to try again: 429, or 503 if nobody finds any.
        """
        return int(self._tuned("UPLOAD_WAITING_BYTES", 128 * 2**20))

    @property
    def SWEEP_GRACE_SECONDS(self) -> int:
        """Age in seconds at which a file without a row is deleted. Default: 86400.

        The sweep does that. At the same age it deletes an unsent attachment, and ends
        an unfinished image without a run.
        """
        return int(self._tuned("SWEEP_GRACE_SECONDS", 24 * 3600))

    @property
    def THUMBNAIL_SIDE(self) -> int:
        """Longest side of a thumbnail, in pixels. Default: 320."""
        return int(self._tuned("THUMBNAIL_SIDE", 320))

    @property
    def URL_WINDOW(self) -> int:
        """Seconds in which the same image keeps the same URL. Default: 900.

        A stable URL lets browsers cache the image.
        """
        return int(self._tuned("URL_WINDOW", 900))

    @property
    def ZIP_IMAGES(self) -> int:
        """Images in one zip that staff download at most. Default: 2000.

        Further ones are in the next part. While a zip is sent, a server that speaks
        WSGI has a thread busy with it.
        """
        return int(self._tuned("ZIP_IMAGES", 2000))

    @property
    def ZIP_BYTES(self) -> int:
        """Bytes of images in one zip that staff download at most. Default: 4 GiB."""
        return int(self._tuned("ZIP_BYTES", 4 * 2**30))
