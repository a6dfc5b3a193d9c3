"""Histories with a file in them that the provider refuses from some day on."""

from __future__ import annotations

import pytest

from chatkit_images.context import RequestContext
from chatkit_images.server import refused_inputs
from chatkit_images.testing import LoopbackAPI
from tests.client import ChatClient
from tests.image_files import SVG
from tests.poisoned import DIALECTS, Poison, falls_short
from tests.refusable import DOCUMENTS, IMAGES, PLAIN

FILES = IMAGES | PLAIN | DOCUMENTS | {"fox.svg": SVG}
UPLOADS = [name for name in FILES if name != "fox.svg"]
GENERATED = [name for name in FILES if name not in DOCUMENTS]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("name", "generated"),
    [(name, False) for name in UPLOADS] + [(name, True) for name in GENERATED],
)
async def test_the_next_turn_answers(
    request: pytest.FixtureRequest,
    chat: ChatClient,
    context: RequestContext,
    model: LoopbackAPI,
    monkeypatch: pytest.MonkeyPatch,
    dialect: str,
    name: str,
    generated: bool,
) -> None:
    monkeypatch.setattr(refused_inputs, "_without_developer", set())
    poison = Poison(dialect)
    monkeypatch.setattr(model, "model", poison)
    short = await falls_short(
        chat, context, poison, name, FILES[name], generated=generated
    )
    request.node.user_properties.append(("missing", [short] if short else []))
    assert short == ""
