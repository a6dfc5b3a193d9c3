"""What the demo's model says, and what its log says of the model."""

from __future__ import annotations

import logging
import re
import sys

import pytest
from agents.exceptions import ModelBehaviorError
from django.core.exceptions import PermissionDenied

from chatkit_images.testing import Text, default_model
from example_project.drawing import knows, wishes
from example_project.logs import OneLine
from example_project.views import EXAMPLE_PROMPTS

#: What is no thing to draw, and what chooses how the image arrives.
SMALL = {"a", "the", "in", "on", "at", "by", "over", "two", "three", "slow"}
DRAWN = wishes.NAMES.keys() | wishes.COLOURS.keys() | wishes.NIGHT | wishes.SNOW
DRAWN |= wishes.SUNSET | wishes.AUTUMN | wishes.DAY | wishes.WATER | wishes.LAND


def asked(text: str) -> dict[str, object]:
    """Return the body of a request for an image."""
    return {"input": text, "tools": [{"type": "image_generation"}]}


@pytest.mark.parametrize("prompt", EXAMPLE_PROMPTS)
def test_each_word_of_a_starter_is_drawn(prompt: str) -> None:
    words = set(re.findall("[a-z]+", prompt.lower()))
    assert words - SMALL - DRAWN == set()


@pytest.mark.parametrize("of_the_demo", [False, True])
def test_an_answer_names_what_can_be_drawn_if_nothing_of_it_can(
    of_the_demo: bool,
) -> None:
    kwargs = {"knows": knows} if of_the_demo else {}
    last = [
        default_model(asked(text), **kwargs)[-1]
        for text in ("a vase on a desk", "a red fox", "a fox in a castle")
    ]
    assert all(isinstance(step, Text) for step in last)
    assert ["Name a fox" in step.text for step in last] == [True, False, False]


@pytest.mark.parametrize(
    ("error", "has_traceback"),
    [
        (ModelBehaviorError("no"), False),
        (PermissionDenied(), False),
        (ValueError(), True),
    ],
)
def test_the_log_shows_tracebacks_of_faults_alone(
    error: Exception, has_traceback: bool
) -> None:
    try:
        raise error
    except Exception:
        args = ("x", logging.ERROR, __file__, 1, "It failed", (), sys.exc_info())
        record = logging.LogRecord(*args)
    assert OneLine().filter(record)
    assert bool(record.exc_info) is has_traceback
    assert record.getMessage() == "It failed"
