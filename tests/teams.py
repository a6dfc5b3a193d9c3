"""A project's own context: threads belong to the team that a header names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import User
from django.http import HttpRequest

from chatkit_images.context import RequestContext
from chatkit_images.exceptions import AuthenticationRequired

PATH = f"{__name__}.TeamContext"


@dataclass(frozen=True)
class TeamContext(RequestContext):
    """A group is a team. Who is in one works for it, unless a header says "own"."""

    @classmethod
    def get_owner(
        cls, user: AbstractBaseUser, request: HttpRequest | None = None
    ) -> str:
        assert isinstance(user, User)
        wanted = request.headers.get("X-Team", "") if request is not None else ""
        if wanted == "own":
            return cls.own_key(user)
        groups = user.groups.filter(name=wanted) if wanted else user.groups.all()
        team = groups.order_by("pk").first()
        if wanted and team is None:
            raise AuthenticationRequired("This is not your team.")
        return cls.own_key(user) if team is None else f"team:{team.pk}"

    def may_delete(self, row: Any) -> bool:
        """Whether the person has made it, or leads."""
        assert isinstance(self.user, User)
        return row.user_id == self.user.pk or self.user.is_staff
