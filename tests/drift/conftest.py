from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drift.homes import Home


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The data of processes, which is kept as ``empty``."""
    found = Home(tmp_path_factory.mktemp("drift"))
    try:
        found.process("migrate")
        found.keep("empty")
        yield found
    finally:
        found.close()
