"""Settings of runs and of the streams that show them."""

from __future__ import annotations

from typing import Literal, cast

from .base import Group

ON_DISCONNECT = ("auto", "finish", "cancel")


class Runs(Group):
    """What a run does, and what becomes of it when nobody reads it."""

    # Runs

    @property
    def HEARTBEAT_SECONDS(self) -> float:
        """Seconds of silence before a stream sends a comment. Default: 15.

        Many proxies cut a connection that is silent for 60 seconds.
        """
        return float(self._get("HEARTBEAT_SECONDS", 15))

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
    def RECONNECT_SECONDS(self) -> float:
        """Seconds for a client that can resume to come back. Default: 20.

        Only then has it left and ``ON_DISCONNECT`` counts. ``static/chatkit_images/
        chatkit-fetch.js`` can resume; ChatKit.js alone cannot.
        """
        return float(self._get("RECONNECT_SECONDS", 20))

    @property
    def RUN_STALE_SECONDS(self) -> float:
        """Seconds without a heartbeat after which a run counts as dead. Default: 60.

        A dead run's thread accepts messages again, its unfinished images end as
        interrupted.
        """
        return float(self._get("RUN_STALE_SECONDS", 60))

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

    @property
    def RUN_LOG_BYTES(self) -> int:
        """Bytes of a run's newest events that are kept as they are. Default: 1 MiB.

        Older ones are folded into what they show.
        """
        return int(self._get("RUN_LOG_BYTES", 2**20))

    @property
    def RUN_LOG_SECONDS(self) -> float:
        """Seconds for which a stream can be resumed after its end. Default: 300.

        Later a client gets the thread's items from the database.
        """
        return float(self._get("RUN_LOG_SECONDS", 300))

    @property
    def DATABASE_THREADS(self) -> int:
        """Threads that work at the database for runs. Default: 4.

        Read once per process. Each has a connection while there is work: that many
        connections are what all runs of a process take together.
        """
        return int(self._get("DATABASE_THREADS", 4))
