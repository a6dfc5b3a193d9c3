"""Which files go to a model with an input, and in which of its parts each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..queries.inputs import InputFile
from .absences import Role


class InputFiles:
    """The files of one input, and what a provider's refusals have changed in it.

    Attributes:
        withheld: Files that the next input has words for, as they were refused before.
        only: Files of which alone the next input is made; ``None``: of all.
        halved: Whether the next input gets half of the budget for files.
        as_bytes: Whether all images of the next input go as bytes.
        note_role: Who tells the model of files that it does not see.
        sent: The files of the newest input, in its order.
        by_url: Whether some of them went by a URL.
        images: Those of them that are in parts for images.
        newest: Those of them that the person sent with the newest message.
        has_note: Whether the newest input tells of files that it has not.
        names: What people call those that they have sent.
    """

    def __init__(self) -> None:
        self.withheld: frozenset[InputFile] = frozenset()
        self.only: frozenset[InputFile] | None = None
        self.halved = False
        self.as_bytes = False
        self.note_role: Role = "developer"
        self.names: dict[InputFile, str] = {}
        self.begin()

    def begin(self) -> None:
        """Forget the files of the input before."""
        self.sent: list[InputFile] = []
        self.by_url = False
        self.images: list[InputFile] = []
        self.newest: frozenset[InputFile] = frozenset()
        self.has_note = False
        # By the id() of the part, which is kept with them: as long as it is there, no
        # other part gets the same id().
        self._parts: dict[int, tuple[Any, InputFile]] = {}

    @property
    def brought(self) -> list[InputFile]:
        """The images that the newest message brings or names."""
        return [file for file in self.images if file in self.newest]

    @property
    def latest(self) -> list[InputFile]:
        """The newest generated image of the input; if it has none, the newest image."""
        made = [file for file in self.images if file.kind == "image"]
        return made[-1:] or self.images[-1:]

    def may_go(self, file: InputFile) -> bool:
        """Whether a file may be in the next input."""
        wanted = self.only is None or file in self.only
        return wanted and file not in self.withheld

    def add(self, file: InputFile, part: Any, name: str = "") -> None:
        """Note the part of an input that has a file, or would have it."""
        self._parts[id(part)] = part, file
        if name:
            self.names[file] = name

    def end_of_newest(self) -> None:
        """Note that the files so far came with the newest message."""
        self.newest = frozenset(file for _, file in self._parts.values())

    def end(self, given: Sequence[Any]) -> None:
        """Note which files are in an input that is complete."""
        for message in given:
            for part in _content(message):
                _, file = self._parts.get(id(part), (None, None))
                if file is not None:
                    self.sent.append(file)
                    if part.get("type") == "input_image":
                        self.images.append(file)
                        url = str(part.get("image_url") or "")
                        self.by_url = self.by_url or not url.startswith("data:")

    def at(self, given: Sequence[Any], item: int, part: int) -> InputFile | None:
        """Return the file in a part of an item of an input."""
        content = _content(given[item]) if 0 <= item < len(given) else []
        if part >= len(content):
            return None
        _, file = self._parts.get(id(content[part]), (None, None))
        return file


def _content(message: Any) -> list[Any]:
    content = message.get("content") if isinstance(message, Mapping) else None
    return content if isinstance(content, list) else []
