"""Fixtures of the suite, for whoever imports them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from chatkit_images.testing import LoopbackAPI

from .case import Case
from .person import Person

PLAIN_CLIENT = "openai.DefaultAsyncHttpxClient"


@pytest.fixture(params=["view", "consumer"])
def door(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def case(
    request: pytest.FixtureRequest,
    door: str,
    model: LoopbackAPI,
    settings: Any,
    transactional_db: None,
) -> Case:
    """A person who talks with the model; what falls short is noted for the report."""
    settings.HTTP_CLIENT = PLAIN_CLIENT
    person = Person(door)
    person.client.force_login(User.objects.create_user("ann"))
    case = Case(person, model)
    # It is filled until the report is made.
    request.node.user_properties.append(("missing", case.missing))
    return case
