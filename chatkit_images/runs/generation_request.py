"""What a run is about that no client has asked for, in the form of a request."""

from __future__ import annotations

import uuid
from typing import Literal

from chatkit import types
from pydantic import BaseModel, Field


class ImagesGenerateParams(BaseModel):
    """An image that the project's code generates.

    Attributes:
        thread_id: Where it is shown.
        model: Which model draws it.
        provider: The host of the model, if that is known.
        input: What the person has said before, if the thread gets it.
        key: Tells it from all others, as the same words may be drawn twice.
    """

    thread_id: str
    model: str = ""
    provider: str = ""
    input: types.UserMessageInput | None = None
    key: uuid.UUID = Field(default_factory=uuid.uuid4)

    def say(self, text: str) -> None:
        """Have the person say something before."""
        self.input = types.UserMessageInput(
            content=[types.UserMessageTextContent(text=text)],
            attachments=[],
            inference_options=types.InferenceOptions(),
        )


class ImagesGenerateReq(BaseModel):
    """What the claim of a run takes in place of a client's request."""

    type: Literal["images.generate"] = "images.generate"
    params: ImagesGenerateParams
