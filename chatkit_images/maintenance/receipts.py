"""The receipt of an erasure: what went, what remains, and why."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone
from django.utils.crypto import salted_hmac

# What it has is described by docs/retention.md.
VERSION = 1
# What is beyond the reach of the app, in every receipt.
ELSEWHERE = {
    "backups": "The project's own; what is restored from them must be erased again.",
    "logs": "The project's own. The app's name threads and runs, not what was said.",
    "memory of servers": "Copies in processes and in shared logs of runs go within "
    "minutes, or when a process ends. No row leads to them any more.",
    "spools of other hosts": "Bytes that a storage did not take there. The next flush "
    "moves them to the storage, and the sweep deletes what no row names.",
    "copies of the provider": "What was sent to a model, for as long as the provider "
    "keeps it.",
    "copies of the project": "What its own code has made from images and threads.",
}


@dataclass
class Remains:
    """Something that is left.

    Attributes:
        what: What it is.
        why: Why it is left, in a sentence.
        count: How much of it there is; ``None`` if the app cannot know.
    """

    what: str
    why: str
    count: int | None = None


@dataclass
class Receipt:
    """What an erasure did, or would do.

    Attributes:
        owner_digest: A digest of the owner's key, which takes ``SECRET_KEY`` to make:
            ``digest_of()`` returns the same for the same key.
        tenant: Whose tenant it is; empty without tenants.
        dry_run: Whether nothing was erased.
        began_at: When it began.
        ended_at: When it ended.
        rows: How many rows of each kind are deleted.
        bytes: The bytes of their files, as far as rows say.
        files_left: Files that a storage has not deleted; the sweep tries again.
        held: Whether something of the owner stays because it is held.
        remains: What is left, and why.
        is_complete: Whether all went that is in the app's reach and not held.
    """

    owner_digest: str
    tenant: str = ""
    dry_run: bool = False
    began_at: datetime.datetime = field(default_factory=timezone.now)
    ended_at: datetime.datetime | None = None
    rows: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    files_left: int = 0
    held: bool = False
    remains: list[Remains] = field(default_factory=list)
    is_complete: bool = False

    def add(self, rows: Mapping[str, int], sizes: Mapping[str, int] = {}) -> None:
        """Count rows of some kinds, and the bytes of their files."""
        for mine, added in ((self.rows, rows), (self.bytes, sizes)):
            for name, count in added.items():
                if count:
                    mine[name] = mine.get(name, 0) + count

    def leave(self, what: str, why: str, count: int | None = None) -> None:
        """Note what remains."""
        self.remains.append(Remains(what, why, count))

    def end(self) -> Receipt:
        """Note when it ended, and what is beyond the app's reach."""
        for what, why in ELSEWHERE.items():
            self.leave(what, why)
        self.ended_at = timezone.now()
        return self

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        kinds = self.rows.keys() | self.bytes.keys()
        return {
            "receipt": VERSION,
            "owner_digest": self.owner_digest,
            "tenant": self.tenant,
            "dry_run": self.dry_run,
            "began_at": self.began_at.isoformat(),
            "ended_at": self.ended_at and self.ended_at.isoformat(),
            "complete": self.is_complete,
            "held": self.held,
            "erased": {
                kind: {
                    "rows": self.rows.get(kind, 0),
                    "bytes": self.bytes.get(kind, 0),
                }
                for kind in sorted(kinds)
            },
            "files_left": self.files_left,
            "remains": [vars(each) for each in self.remains],
        }


def digest_of(owner: str, tenant: str = "") -> str:
    """Return the digest of an owner's key that receipts have."""
    scope = f"{tenant}\0{owner}" if tenant else owner
    return salted_hmac("chatkit_images.receipt", scope, algorithm="sha256").hexdigest()
