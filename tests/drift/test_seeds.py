"""The doctor against drift of all classes, planted by many seeds.

``DRIFT_SEEDS`` says how many, and ``DRIFT_FIRST`` which is the first.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.maintenance.examining import check_all, second_storage
from tests.maintenance.planting import Planter

pytestmark = pytest.mark.django_db(transaction=True)
FIRST, COUNT = (
    int(os.environ.get(name, value))
    for name, value in (("DRIFT_FIRST", "100"), ("DRIFT_SEEDS", "40"))
)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_all_drift_and_nothing_else_is_found_and_mended(
    seed: int, settings: Any, tmp_path: Path
) -> None:
    second_storage(settings, tmp_path)
    check_all(Planter(seed), most=5)
