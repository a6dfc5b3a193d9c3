"""Each kind of project on its way from the installation to its logs."""

from __future__ import annotations

import traceback
from contextlib import ExitStack
from pathlib import Path

import pytest

from chatkit_images.testing import LoopbackAPI
from tests import services

from .kinds import KINDS, Kind
from .processes import Processes
from .steps import STEPS
from .tour import Tour


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_project(
    kind: Kind,
    tmp_path: Path,
    workshop: Processes,
    loopback: tuple[LoopbackAPI, str],
    request: pytest.FixtureRequest,
) -> None:
    api, url = loopback
    api.reset()
    cells: dict[str, str] = {}
    told = []
    with ExitStack() as held:
        environment = held.enter_context(kind.services()) | {
            "OPENAI_API_KEY": "loopback",
            "OPENAI_BASE_URL": url,
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
        }
        if kind.redis:
            environment["REDIS_URL"] = services.redis()
        request.node.user_properties.append(("project", (kind.name, cells)))
        tour = Tour(kind, tmp_path, workshop, environment, api, held)
        for name, step in STEPS.items():
            try:
                step(tour)
            except Exception as error:
                # The next steps may go well all the same.
                cells[name] = f"{type(error).__name__}: {error}"
                told.append(f"--- {name}\n{traceback.format_exc()}")
            else:
                cells[name] = ""
    if told:
        pytest.fail("\n".join([*told, tour.project.log()[-6000:]]), pytrace=False)
