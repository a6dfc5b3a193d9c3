"""The example of row-level security, on the database that has it."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from chatkit_images import database
from chatkit_images.contexts import working_for
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

    first, second = (contexts(None, name) for name in ("user:1", "user:2"))
    for context in (first, second):
        assert await database.call(owner, context) == context.owner

    def within(context: object) -> list[str]:
        """Return whose rows are seen after work for another, and after a rollback."""
        with working_for(second):
            found = [owner(second)]
        found.append(owner(context))
        with working_for(second):
            try:
                with transaction.atomic():
                    found.append(owner(second))
                    raise ZeroDivisionError
            except ZeroDivisionError:
                found.append(owner(second))
        return found

    seen = await database.call(within, first)
    assert seen == ["user:2", "user:1", "user:2", "user:2"]
