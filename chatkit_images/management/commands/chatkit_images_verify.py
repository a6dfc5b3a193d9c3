"""``manage.py chatkit_images_verify``."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...maintenance import Finding, StorageSilent, verify
from ..reports import ReportCommand

# Findings that JSON names.
NAMED = 1000


class Command(ReportCommand):
    """Reads every complete image and compares it with its row."""

    help = (
        "Lists the images that the storage has lost or changed, or cannot read. Fails "
        "if there are some."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--from",
            dest="after",
            type=uuid.UUID,
            metavar="KEY",
            help="Begin behind the image of this key, where another command has ended.",
        )
        parser.add_argument(
            "--limit", type=int, metavar="COUNT", help="Read so many images at most."
        )

    def work(self, **options: Any) -> None:
        if (limit := options["limit"]) is not None and limit < 1:
            raise CommandError("--limit must be above 0.")
        self._counts, self._named = Counter[str](), list[dict[str, str]]()
        self._read, self._last = 0, options["after"]
        silence: StorageSilent | None = None
        try:
            for finding in verify(options["after"], limit, self._note):
                self.clear()
                self._tell(finding, as_json=options["json"])
        except StorageSilent as error:
            silence, self._last = error, error.last
        except KeyboardInterrupt:
            self._say_where()
            raise
        finally:
            self.clear()
        if options["json"]:
            self.print_json(self._data(silence))
        self._end(silence, limit, quiet=options["json"] or not options["verbosity"])

    def is_asked_for(self, options: dict[str, Any]) -> bool:
        """Return ``True``: what is wrong is told in any case."""
        return True

    def _note(self, key: uuid.UUID, done: int) -> None:
        self._read, self._last = done, key
        if (show := self.progress()) is not None:
            show("images", done)

    def _tell(self, finding: Finding, *, as_json: bool) -> None:
        image = finding.image
        self._counts[finding.problem] += 1
        why = repr(finding.error) if finding.error else ""
        if not as_json:
            line = f"{finding.problem} {image.pk} {image.file.name}"
            self.stdout.write(f"{line}: {why}" if why else line)
        elif len(self._named) < NAMED:
            self._named.append(
                {
                    "problem": finding.problem,
                    "image": str(image.pk),
                    "file": str(image.file.name),
                    "storage": image.stored_in,
                    "error": why,
                }
            )

    def _end(
        self, silence: StorageSilent | None, limit: int | None, *, quiet: bool
    ) -> None:
        if silence is not None:
            self._say_where()
            raise CommandError(f"{silence} The other images were not read.")
        if limit == self._read:
            self._say_where()
        if found := self._counts.total():
            raise CommandError(f"{found} images are not what their rows say.")
        if not quiet:
            which = "Every image" if limit is None else f"Each of {self._read} images"
            self.stdout.write(f"{which} is what its row says.")

    def _say_where(self) -> None:
        if self._last is not None:
            self.stderr.write(f"Go on with --from {self._last}")

    def _data(self, silence: StorageSilent | None) -> dict[str, Any]:
        return {
            "version": 1,
            "read": self._read,
            "counts": dict(self._counts),
            "findings": self._named,
            "last": None if self._last is None else str(self._last),
            "silent": "" if silence is None else str(silence),
        }
