"""For how long browsers, and nginx before the app, may keep a file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Keeping:
    """For how long a browser may keep a file.

    Attributes:
        seconds: For so long, and 0 not at all. Only the person's own browser may.
        is_final: Whether its URL never shows anything else, so that a browser need not
            ask meanwhile, not even when its page is loaded again.
        shared: For so many seconds nginx may keep it for whoever has the same URL.
    """

    seconds: int
    is_final: bool = False
    shared: int = 0

    @property
    def in_proxy(self) -> int:
        """Seconds for which nginx may keep it.

        A browser that gets it from there at the last moment counts from then on.
        """
        return self.shared if self.seconds > self.shared else 0

    def __str__(self) -> str:
        if self.seconds <= 0:
            return "no-store"
        lasting = ", immutable" if self.is_final else ""
        return f"private, max-age={self.seconds - self.in_proxy}{lasting}"
