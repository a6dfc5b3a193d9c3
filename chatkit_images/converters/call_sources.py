"""What the images of one run are made from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .. import models
from ..context import RequestContext
from ..queries import sources
from ..queries.inputs import InputFile
from ..queries.sources import Source
from ..run_state import current_state
from .input_files import InputFiles


class CallSources:
    """Knows what each image call of a run is made from, and notes it with its image."""

    def __init__(self) -> None:
        # What went along to the model. Of that, the images that the newest message
        # brings or names, and the newest image.
        self._inputs: Sequence[InputFile] = ()
        self._brought: Sequence[InputFile] = ()
        self._latest: Sequence[InputFile] = ()
        # What the project has named, by call.
        self._named: dict[str, list[Source]] = {}
        # What is noted already, by call. A call is missing if nobody knows.
        self._noted: dict[str, list[Source]] = {}
        state = current_state.get()
        self._masks = {} if state is None else state.masks

    def went_along(self, files: InputFiles) -> None:
        """Take the files of the input that the model gets now."""
        self._inputs, self._brought = list(files.sent), files.brought
        self._latest = files.latest

    def name(self, call_id: str, named: Iterable[Source]) -> None:
        """Say what the image of a call is made from, before the call begins.

        Args:
            call_id: The call, as ``begin_image`` gets it.
            named: What ``queries.sources.named()`` has found. It is noted in the place
                of what went along to the model.
        """
        self._named[call_id] = list(named)

    def find(
        self,
        call_id: str,
        image: models.GeneratedImage,
        others: Iterable[models.GeneratedImage],
    ) -> list[Source]:
        """Return what an image is made from, as far as that is known, each once.

        Args:
            call_id: The call.
            image: Its image, with all that is known of it. It need not be saved.
            others: The images of the run whose finals have come.
        """
        found = self._named.get(call_id)
        if found is None:
            found = self._of_hosted(image, others)
        return list(dict.fromkeys(found))

    def noted(self, call_id: str, found: list[Source]) -> None:
        """Remember what was noted with the row of a call."""
        self._noted[call_id] = found

    def save(
        self,
        call_id: str,
        image: models.GeneratedImage,
        others: Iterable[models.GeneratedImage],
        context: RequestContext,
    ) -> None:
        """Note what an image was made from, unless just that is noted already.

        Args:
            call_id: The call.
            image: Its image, with all that is known of it.
            others: The images of the run whose finals have come.
            context: Who asked.
        """
        found = self.find(call_id, image, others)
        if self._noted.get(call_id) == found:
            return
        # A transaction around this may fail, and then nothing has changed.
        noted = self._noted.pop(call_id, None)
        sources.change(image, noted, found, context)

    def _of_hosted(
        self, image: models.GeneratedImage, others: Iterable[models.GeneratedImage]
    ) -> list[Source]:
        """Return the sources of an image that a provider's tool has made.

        If the newest message brings nothing, the model edits what it has seen last.
        That may be an image of an earlier response in the same run.
        """
        made = [
            InputFile("image", str(each.pk))
            for each in sorted(others, key=lambda each: each.created_at)
            if each.status in (each.Status.GENERATING, each.Status.COMPLETED)
            and each.source == image.source
            and each.response_id not in ("", image.response_id)
            # One that is stored late may end after those that were made from it.
            and each.created_at < image.created_at
        ]
        details = image.details or {}
        edited = self._brought or made[-1:] or self._latest
        if image.source == image.Source.NESTED:
            # Its model has read words of the outer agent's, and what it made itself.
            edited = made[-1:]
        inputs, mask = [*self._inputs, *made], self._mask(details)
        if mask is None:
            return sources.of_hosted(details, inputs, edited)
        found = sources.of_hosted(details, dict.fromkeys([*inputs, mask[1]]), mask[1:])
        rest = [source for source in found if source.file != mask[0]]
        return [*rest, Source(mask[0], sources.Role.MASK)]

    def _mask(self, details: dict[str, Any]) -> tuple[InputFile, InputFile] | None:
        """Return the mask that the tool of an edit had, and the image it was for.

        ``None`` if it had none that this run has made.
        """
        if details.get("action") == "generate":
            return None
        said = details.get("input_image_mask")
        key = said.get("sha256") if isinstance(said, dict) else None
        if key is None and len(self._masks) == 1 and details.get("action") == "edit":
            # A provider need not repeat what it was given.
            key = next(iter(self._masks))
        if key not in self._masks:
            return None
        mask, edited = self._masks[key]
        return InputFile(*mask), InputFile(*edited)
