from __future__ import annotations

import datetime
from typing import Any

import pytest

from chatkit_images import times


@pytest.mark.parametrize("month", [1, 7])
def test_times_go_to_utc_and_come_back_local(settings: Any, month: int) -> None:
    settings.USE_TZ, settings.TIME_ZONE = True, "Europe/Berlin"
    naive = datetime.datetime(2026, month, 2, 3, 4, 5, 6)
    aware = times.to_column(naive)
    assert aware.tzinfo is datetime.UTC
    assert aware.hour == (2 if month == 1 else 1)
    assert times.to_naive(aware) == naive
    assert times.to_column(aware) == aware
    assert abs(times.now() - datetime.datetime.now()) < datetime.timedelta(seconds=5)
