"""The migrations make what the models say."""

from __future__ import annotations

import io

import pytest
from django.core.management import call_command


@pytest.mark.django_db
def test_no_change_of_a_model_is_without_its_migration() -> None:
    said = io.StringIO()
    call_command("makemigrations", dry_run=True, interactive=False, stdout=said)
    assert said.getvalue() == "No changes detected\n"
