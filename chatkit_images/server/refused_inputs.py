"""What is left out of an input that a provider has refused."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.utils.translation import gettext as _

from .. import database
from ..converters.input_files import InputFiles
from ..failures import Failure, Reason
from ..failures.sentences import spoken
from ..queries import inputs
from ..queries.inputs import HALF_BUDGET, InputFile, Provider

# ``input[3].content[1].image_url``, ``messages.3.content.1.image``
PLACE = re.compile(r"\b(input|messages)\W{1,3}(\d+)\W{1,3}content\W{1,3}(\d+)")
# ``image_url[2]``, ``image at index 2``
ORDINAL = re.compile(r"\bimages?(?:_urls?)?\s?(?:\[|#|at index |index )(\d+)", re.I)
# ``image_content_policy_violation``, ``InputImageSensitiveContentDetected``
IMAGE_CODE = re.compile(r"^(input_?)?image_?(content|sensitive|policy)", re.I)
# What providers say that take the developer's words only at the beginning, or never.
ROLES = re.compile(r"system (?:message|role)|developer|roles? must|\brole\b", re.I)
# A size is refused, but not because it is too small.
SIZES = re.compile(r"too (?:large|big|many)|exceed|\bmaximum\b|at most", re.I)
# Failures for which something in the input may be the cause.
REFUSALS = (Reason.REFUSED_INPUT, Reason.BAD_REQUEST, Reason.TOO_LARGE)
# What providers say that cannot read an image at its URL: "Timeout while downloading",
# "Failed to download image from", "Cannot fetch content from the provided URL",
# "Image URL domain is not allowed".
UNREAD_CODES = ("invalid_image_url", "failed_to_download_image", "image_file_not_found")
UNREAD = re.compile(
    r"(?:error|timeout) while downloading|\burl domain\b|"
    r"\b(?:download|fetch)\w*[^.]{0,40}\b(?:image|file|url|https?:|content|media)|"
    r"(?:not|n't|unable to|failed to) (?:read|access|reach|open|load|retrieve)"
    r"[^.]{0,60}\burl",
    re.I,
)
# Seconds for which a provider gets bytes, after it could not read an image.
UNREAD_SECONDS = 3600.0
# Failures that nothing in an input mends.
FINAL = (Reason.NOT_ALLOWED, Reason.QUOTA, Reason.RATE_LIMITED)
# Shorter names may stand in any sentence.
SHORTEST_NAME = 5
# The providers that have refused the developer's words, as this process knows.
_without_developer: set[Provider] = set()
# Until when hosts of providers get bytes, by the clock of this process.
_without_urls: dict[str, float] = {}


def is_refusal(failure: Failure) -> bool:
    """Whether something in the input may be the cause of a failure."""
    if failure.reason in REFUSALS or blocks_a_file(failure):
        return True
    # Some servers of open models call it a fault of their own.
    words, status = failure.message, failure.status or 0
    return status >= 500 and bool(
        spoken(words, Reason.REFUSED_INPUT) or ROLES.search(words)
    )


def blocks_a_file(failure: Failure) -> bool:
    """Whether moderation has refused an image or a file, and not what was asked for."""
    named = f"{failure.param} {failure.message}"
    return failure.reason is Reason.BLOCKED and bool(
        PLACE.search(named) or ORDINAL.search(named) or IMAGE_CODE.search(failure.code)
    )


def is_unread(failure: Failure) -> bool:
    """Whether a provider may have failed to read an image at its URL."""
    if failure.reason in (Reason.BLOCKED, *FINAL):
        return False
    return failure.code in UNREAD_CODES or bool(UNREAD.search(failure.message))


class Refusals:
    """Changes the files of an input until its provider takes it.

    Args:
        files: The files of the converter that makes the input.
        provider: Returns who takes the input.

    Attributes:
        measure: What the newest change was, for the log.
    """

    def __init__(self, files: InputFiles, provider: Callable[[], Provider]) -> None:
        self._files = files
        self._provider = provider
        # The files of the input that was refused first, and why it was.
        self._whole: list[InputFile] | None = None
        self._code = ""
        self._role_refused = False
        self._urls_refused = False
        self.measure = ""

    def concern(self, failure: Failure) -> bool:
        """Whether another input may help after a failure."""
        return is_refusal(failure) or (self._files.by_url and is_unread(failure))

    async def load(
        self, thread_id: str, images: Iterable[str] = (), *, any_known: bool = True
    ) -> None:
        """Leave out the files that the provider has refused lately.

        Args:
            thread_id: The thread whose files they are.
            images: Keys of images of other threads.
            any_known: Whether there may be any.
        """
        files = self._files
        files.only, files.halved, files.note_role = None, False, "developer"
        files.as_bytes = False
        known = {}
        if any_known:
            known = await database.call(inputs.refusals, thread_id, images)
        # To find out who the provider is may take a client.
        if known or _without_developer or _without_urls:
            provider = self._provider()
            files.as_bytes = _without_urls.get(provider.host, 0.0) > time.monotonic()
            codes = known.get(provider, {})
            files.halved = HALF_BUDGET in codes.values()
            refused = (file for file, code in codes.items() if code != HALF_BUDGET)
            files.withheld |= frozenset(refused)
            if provider in _without_developer:
                files.note_role = "user"

    def react(self, failure: Failure, given: Sequence[Any], *, is_last: bool) -> bool:
        """Change what the next input has, because this one was refused.

        Args:
            failure: Why.
            given: The input.
            is_last: Whether there is one more try only.

        Returns:
            Whether another try may help.
        """
        files = self._files
        if not (files.sent or files.has_note):
            return False
        if files.by_url and is_unread(failure):
            # No file is refused: the provider, or a gateway, does not reach the host.
            files.as_bytes = self._urls_refused = True
            self.measure = "with the bytes of images in the place of their URLs"
            return True
        if self._whole is None:
            self._whole, self._code = files.sent, failure.code or failure.reason.value
        too_large = failure.reason is Reason.TOO_LARGE or (
            failure.reason is Reason.REFUSED_INPUT and SIZES.search(failure.message)
        )
        by_role = bool(ROLES.search(failure.message)) or not files.sent
        if files.has_note and files.note_role == "developer" and by_role:
            files.note_role, self._role_refused = "user", True
            self.measure = "without a message of the developer's"
        elif not files.sent:
            return False
        elif failure.reason is Reason.BLOCKED:
            # If it came just now, the person is told so; later turns do without it.
            named = self._named(failure, given) or frozenset(files.sent)
            if is_last or not (refused := named - files.newest):
                return False
            files.only = frozenset(files.sent) - refused
            self.measure = f"without {len(refused)} of {len(files.sent)} files"
        elif is_last:
            # It has nothing that could be refused.
            files.only, files.note_role = frozenset(), "user"
            self.measure = "without any file"
        elif too_large and not files.halved:
            files.halved = True
            self.measure = "with half of the bytes for files"
        else:
            named = self._named(failure, given)
            older = frozenset(files.sent) - files.newest
            refused = named or older or frozenset(files.sent)
            files.only = frozenset(files.sent) - refused
            self.measure = f"without {len(refused)} of {len(files.sent)} files"
        return True

    async def remember(self) -> None:
        """Note what was left out, now that the provider has taken the rest."""
        whole, only = self._whole or [], self._files.only
        refused = [] if only is None else [file for file in whole if file not in only]
        if self._role_refused:
            _without_developer.add(self._provider())
        if self._urls_refused:
            now = time.monotonic()
            for host in [host for host, until in _without_urls.items() if until <= now]:
                del _without_urls[host]
            _without_urls[self._provider().host] = now + UNREAD_SECONDS
        if refused:
            await database.call(inputs.remember, refused, self._provider(), self._code)
        elif self._files.halved:
            await database.call(inputs.remember, whole, self._provider(), HALF_BUDGET)

    def words(self) -> str:
        """Return what the person reads of it, empty if every file was used."""
        lines = []
        for file in self._whole or ():
            if file not in self._files.sent:
                name = self._files.names.get(file)
                if name is None:
                    lines.append(_("An earlier image could not be used by the model."))
                else:
                    line = _("The file “%(name)s” could not be used by the model.")
                    lines.append(line % {"name": name})
        return "\n\n".join(dict.fromkeys(lines))

    def _named(self, failure: Failure, given: Sequence[Any]) -> frozenset[InputFile]:
        """Return the files that a failure names, by their place or by their name."""
        files, text = self._files, f"{failure.param} {failure.message}"
        found = set()
        for root, item, part in PLACE.findall(text):
            # The instructions may have become the first of the messages.
            for before in (0,) if root == "input" else (0, 1):
                found.add(files.at(given, int(item) - before, int(part)))
        if not found - {None}:
            places = map(int, ORDINAL.findall(text))
            found = {files.images[n] for n in places if n < len(files.images)}
        if not found:
            found = {
                file
                for file in files.sent
                if len(name := files.names.get(file, "")) >= SHORTEST_NAME
                and name in failure.message
            }
        return frozenset(file for file in found if file is not None)
