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
    # Those that went missing nobody could miss.
    images = old.rows("GeneratedImage")
    for column in images[0]:
        assert any(row[column] not in ("", None, {}) for row in images), column


@pytest.mark.upgraded("rows", "are what they were")
def test_migrating_keeps_every_row(upgrade: Upgrade, counted: Count) -> None:
    counted(sum(map(len, upgrade.before.values())))
    assert migrating.known_of(upgrade.after, upgrade.before) == upgrade.before


@pytest.mark.upgraded("rows", "go back and forth, or are told why not")
def test_migrating_back_keeps_every_row(upgraded: Upgrade, counted: Count) -> None:
    counted(sum(map(len, upgraded.before.values())))
    today = migrating.dump()
    known = migrating.known_of(today, upgraded.before)
    try:
        migrating.migrate(old.HEAD)
        assert migrating.dump(migrating.models_at(old.HEAD)) == known
    except IrreversibleError as error:
        # It says so before it changes anything.
        assert str(error)
        assert migrating.dump() == today
    finally:
        migrating.migrate()
    assert migrating.known_of(migrating.dump(), known) == known


def test_no_migration_is_missing(upgraded: Upgrade) -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
