"""What is known of a failure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ..cleaning import clean, clean_json
from .reasons import Reason

# Characters that are kept of a provider's words. A body may be a whole page of HTML.
MOST_WORDS, MOST_NAME = 2000, 255
# Characters that are searched for secrets, once the bytes of images are out of them.
MOST_SEARCHED = 4 * MOST_WORDS
# What is kept of a moderation: entries of a list or an object, and levels.
MOST_ENTRIES, MOST_LEVELS = 50, 4
DATA_URL = re.compile(r"data:[\w.+/-]+;base64,[A-Za-z0-9+/=_-]*")
RUN = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{200,}={0,2}")
# What base64 has of each, and long words and digests have not.
KINDS = [re.compile(kind) for kind in ("[A-Z]", "[a-z]", "[0-9]")]
SECRETS = re.compile(
    r"\b((?:sk|pk|rk|xai|gsk|fw|r8|hf|key|AKIA|AIza)[-_A-Za-z0-9]{0,8}?[-_]?)"
    r"(?=[A-Za-z0-9_-]{12})(?=[A-Za-z_-]{0,64}\d)[A-Za-z0-9_-]{12,}"
)
NAMED = re.compile(
    r"(?i)\b(bearer\s+|(?:api[-_ ]?key|access[-_ ]?token|token|secret|password|"
    r"authorization|signature|sig)[\"']?\s*[=:]\s*[\"']?)(?!bearer\b)[^\s\"'&,;}]{6,}"
)
WITH_PASSWORD = re.compile(r"(://[^\s:/@]+:)[^\s@/]+@")


@dataclass(frozen=True)
class Failure:
    """Why there is no result, for rows, logs and staff. A person never reads it.

    Attributes:
        reason: What it comes down to.
        code: The provider's code, or a short stable word of the app.
        type: The provider's type of the error.
        status: The HTTP status.
        message: The words of the provider or of the exception, without secrets.
        request_id: The provider's id of the request.
        retry_after: Seconds to wait, if a limit ends by itself.
        param: The part of the request that is wrong.
        moderation: Categories and stage of a moderation.
        error: The class of the exception.
        words: What the project tells the person; never anything of a provider's.
        remedy: What staff can do about it; empty if it is not for them to mend.
    """

    reason: Reason
    code: str = ""
    type: str = ""
    status: int | None = None
    message: str = ""
    request_id: str = ""
    retry_after: float | None = None
    param: str = ""
    moderation: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    words: str = ""
    remedy: str = ""

    def __post_init__(self) -> None:
        """Make the words fit for rows."""
        change = object.__setattr__  # The class is frozen.
        change(self, "message", without_secrets(self.message)[:MOST_WORDS])
        for name in ("code", "type", "request_id", "param", "error"):
            change(self, name, without_secrets(getattr(self, name))[:MOST_NAME])
        change(self, "moderation", clean_json(_lean(self.moderation)))
        change(self, "words", clean(self.words))
        change(self, "remedy", without_secrets(self.remedy)[:MOST_WORDS])

    @property
    def may_retry(self) -> bool:
        """Whether the same request may succeed soon."""
        return self.reason.may_retry

    def facts(self) -> dict[str, Any]:
        """Return what is known as JSON, for the ``failure`` column of a row."""
        known = dataclasses.asdict(self)
        known["reason"] = self.reason.value
        return {name: value for name, value in known.items() if value}

    def summary(self) -> str:
        """Return one line for logs and staff."""
        status = f"HTTP {self.status}" if self.status else ""
        kind = self.code or self.type
        request = f"request {self.request_id}" if self.request_id else ""
        parts = [self.reason.value, self.error, status, kind, request]
        head = ", ".join(part for part in parts if part)
        words = " ".join(self.message.split())
        return f"{head}: {words}" if words else head


def without_secrets(text: str) -> str:
    """Return a text that columns take, without keys, passwords and bytes of images.

    What is far behind the end of a column is cut off before it is searched.
    """
    text = clean(text)
    text = DATA_URL.sub("data:…", text)
    text = RUN.sub(_without_base64, text)[:MOST_SEARCHED]
    text = NAMED.sub(r"\1…", text)
    text = WITH_PASSWORD.sub(r"\1…@", text)
    return SECRETS.sub("…", text)


def _without_base64(run: re.Match[str]) -> str:
    return "…" if all(kind.search(run[0]) for kind in KINDS) else run[0]


def _lean(value: Any, level: int = 0) -> Any:
    """Return what a moderation says, no more than a row should keep of it."""
    if isinstance(value, str):
        return without_secrets(value)[:MOST_NAME]
    if not isinstance(value, Mapping | list | tuple):
        return value
    if level == MOST_LEVELS:
        return "…"
    if isinstance(value, Mapping):
        entries = islice(value.items(), MOST_ENTRIES)
        return {_lean(str(key)): _lean(each, level + 1) for key, each in entries}
    return [_lean(each, level + 1) for each in value[:MOST_ENTRIES]]
