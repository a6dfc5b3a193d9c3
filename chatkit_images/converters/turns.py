"""What tells the calls of one turn apart from those of all others."""

from __future__ import annotations

import uuid
from itertools import count

from ..queries.identity import call_key
from ..run_state import current_run, current_state


class Turn:
    """Gives the calls of a converter their identities."""

    def __init__(self) -> None:
        self._name = ""
        # How many streams have been read, each of which counts its own responses.
        self.streams = count()

    def identity(self, call_id: str) -> str:
        """Return the identity of a call: its turn, and its place in it.

        Args:
            call_id: What tells it apart from the other calls of the converter.
        """
        if not self._name:
            run_id, state = current_run.get(), current_state.get()
            # A run may have several converters, and each counts its own calls.
            self._name = (
                f"{run_id.hex}.{next(state.turns)}"
                if run_id is not None and state is not None
                else uuid.uuid4().hex
            )
        return f"{self._name}:{call_key(call_id)}"
