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
        """What becomes of a run whose last reader has left. Default: ``"auto"``.

        ``"finish"`` lets it end, ``"cancel"`` ends it, ``"auto"`` lets it end
        only if it is generating an image.
        """
        return cast(
            "Literal['auto', 'finish', 'cancel']", self._get("ON_DISCONNECT", "auto")
        )

    @property
    def DRAIN_SECONDS(self) -> float:
        """Seconds that a server which is told to stop gives its runs. Default: 25.

        It takes no new ones meanwhile; what is not ready then is interrupted. Let
        whatever stops the server wait a few seconds longer before it kills.
        """
        return float(self._get("DRAIN_SECONDS", 25))

    @property
    def RUN_LOG_URL(self) -> str | None:
        """URL of the Redis that processes share the logs of runs by.

        Default: ``None``, in memory. With more than one process a client may come
        back to another one than it left: without Redis that one waits for the end
        of the run and then shows all of it.
        """
        return cast("str | None", self._get("RUN_LOG_URL", None))
