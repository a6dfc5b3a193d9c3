"""Rows go through the migrations and back, and lose nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest
from chatkit import types
from django.core.management import call_command
from django.db.migrations.exceptions import IrreversibleError

from chatkit_images.models import GeneratedImage, Run, Thread

from . import migrating, old
from .conftest import Upgrade

Count = Callable[[int], None]


def values(model: str, field: str) -> set[str]:
    return {row[field] for row in old.rows(model)}


def test_the_fixture_has_one_of_everything() -> None:
    assert values("GeneratedImage", "status") == set(GeneratedImage.Status.values)
    assert values("Run", "status") == set(Run.Status.values)
    assert values("Thread", "status") == set(Thread.Status.values)
    kinds = {
        item.model_fields["type"].default
        for item in get_args(get_args(types.ThreadItem)[0])
    }
    assert values("ThreadItem", "type") == kinds
    assert all(old.ROWS.values())
    # A column that is empty in every row would be kept by any migration.
    images = old.rows("GeneratedImage")
    for column in images[0]:
        assert any(row[column] not in ("", None, {}) for row in images), column


@pytest.mark.upgraded("rows", "are what they were")
def test_migrating_keeps_every_row(upgrade: Upgrade, counted: Count) -> None:
    counted(sum(map(len, upgrade.before.values())))
    after = migrating.shared(upgrade.after, upgrade.before)
    assert after == migrating.shared(upgrade.before, upgrade.after)
    assert set(after) >= {"auth.User", "sessions.Session", "chatkit_images.Thread"}


@pytest.mark.upgraded("rows", "go back and forth, or are told why not")
def test_migrating_back_keeps_every_row(upgraded: Upgrade, counted: Count) -> None:
    counted(sum(map(len, upgraded.before.values())))
    today = migrating.dump()
    try:
        migrating.migrate(old.HEAD)
        back = migrating.dump(migrating.models_at(old.HEAD))
        assert migrating.shared(back, today) == migrating.shared(today, back)
    except IrreversibleError as error:
        assert str(error)
        back = today
    finally:
        migrating.migrate()
    again = migrating.shared(migrating.dump(), back)
    assert again == migrating.shared(today, back)


def test_no_migration_is_missing(upgraded: Upgrade) -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
