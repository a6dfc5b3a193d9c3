"""Settings of runs and of the streams that show them."""

from __future__ import annotations

from typing import Literal, cast

from .base import Group

ON_DISCONNECT = ("auto", "finish", "cancel")


class Runs(Group):
    """What a run does, and what becomes of it when nobody reads it."""

    # Runs

    @property
    def ON_DISCONNECT(self) -> Literal["auto", "finish", "cancel"]:
        """What happens to a run whose last reader has left. Default: ``"auto"``.

        ``"finish"`` lets the run go on to its end, ``"cancel"`` stops it, ``"auto"``
        lets it go on only if it is generating an image.
        """
        return cast(
            "Literal['auto', 'finish', 'cancel']", self._get("ON_DISCONNECT", "auto")
        )

    @property
    def DRAIN_SECONDS(self) -> float:
        """Seconds that a server gives its runs to end, after SIGTERM. Default: 25.

        The server takes no new runs meanwhile, and then interrupts those that have not
        ended. Let whatever stops the server wait twenty seconds longer before it kills.
        """
        return float(self._get("DRAIN_SECONDS", 25))

    @property
    def RUN_LOG_URL(self) -> str | None:
        """URL of the Redis in which processes share the logs of runs.

        Default: ``None``, logs are in memory only. With more than one process a client
        may come back to another process. Without Redis, that process waits for the end
        of the run and then shows all of it.
        """
        return cast("str | None", self._get("RUN_LOG_URL", None))

    @property
    def WEBHOOK_URL(self) -> str | None:
        """URL that is told of the end of each run, by a signed POST.

        See docs/webhooks.md. Default: ``None``, only the receivers of the signal
        ``run_finished`` are told.
        """
        return cast("str | None", self._get("WEBHOOK_URL", None))

    @property
    def WEBHOOK_SECRET(self) -> tuple[str, ...]:
        """Secret that signs what the webhook is sent, or a list of several.

        Each is ``whsec_`` and 24 to 64 random bytes in base64. While a new one takes
        the place of an old one, list both: each signs. Default: none. ``WEBHOOK_URL``
        needs one.
        """
        found = self._get("WEBHOOK_SECRET", ())
        return (found,) if isinstance(found, str) else tuple(found)
