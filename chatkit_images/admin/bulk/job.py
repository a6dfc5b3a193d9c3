"""How far the work on many images has come. It travels from page to page, signed."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any

from django.core import signing
from django.utils import timezone

SALT = "chatkit_images.admin.bulk"
# Seconds until a page is too old to go on with.
MAX_AGE = 24 * 3600
# Images that are listed with the reason why they stay.
MOST_LISTED = 50


@dataclass
class Job:
    """Work on many images.

    Attributes:
        operation: What is done to them.
        user: The key of who does it.
        query: The filters and the search, as in the address of the list.
        keys: Those that were chosen; ``None`` for all that match.
        began: When the page was shown. Later images are left alone.
        last: The time and the key of the last image that was looked at.
        done: How many are done.
        kept: How many stay, by the reason.
        listed: Some of those: key, words and reason.
        reason: What staff gave as the reason.
        words: What the owner reads.
    """

    operation: str
    user: str
    query: str
    keys: list[str] | None = None
    began: str = ""
    last: tuple[str, str] | None = None
    done: int = 0
    kept: dict[str, int] = field(default_factory=dict)
    listed: list[tuple[str, str, str]] = field(default_factory=list)
    reason: str = ""
    words: str = ""

    def __post_init__(self) -> None:
        self.began = self.began or timezone.now().isoformat()

    @property
    def start(self) -> datetime.datetime:
        """When the page was shown."""
        return datetime.datetime.fromisoformat(self.began)

    @property
    def position(self) -> tuple[datetime.datetime, uuid.UUID] | None:
        """Behind which image to go on."""
        if self.last is None:
            return None
        return datetime.datetime.fromisoformat(self.last[0]), uuid.UUID(self.last[1])

    def go_to(self, created_at: datetime.datetime, key: uuid.UUID) -> None:
        """Note the last image that was looked at."""
        self.last = created_at.isoformat(), str(key)

    def keep(self, key: uuid.UUID, words: str, why: str) -> None:
        """Note an image that stays."""
        self.kept[why] = self.kept.get(why, 0) + 1
        if len(self.listed) < MOST_LISTED:
            self.listed.append((str(key), words, why))

    def sign(self) -> str:
        """Return it as a text that nobody can change."""
        return signing.dumps(asdict(self), salt=SALT, compress=True)


def read_job(text: str, operation: str, user: str, query: str) -> Job | None:
    """Return a job from its text; ``None`` if it is not that of this page any more."""
    try:
        said: dict[str, Any] = signing.loads(text, salt=SALT, max_age=MAX_AGE)
        job = Job(**said)
    except (signing.BadSignature, TypeError):
        return None
    same = (job.operation, job.user, job.query) == (operation, user, query)
    return job if same else None
