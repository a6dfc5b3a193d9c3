"""The example of row-level security, on the database that has it."""

from __future__ import annotations

import pytest
from django.db import connection

from chatkit_images import database
from tests.docs import shop
from tests.docs.pages import block


@pytest.mark.django_db(transaction=True)
async def test_each_call_is_made_with_the_owner_of_its_context() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("Only PostgreSQL has policies for rows.")
    part = block("tenants.md", "Row-level security")
    contexts = shop.module("shop.contexts", part).RoleContext

    def owner(context: object) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('shop.owner', true)")
            return str(cursor.fetchone()[0])

    for name in ("user:1", "user:2"):
        assert await database.call(owner, contexts(None, name)) == name
