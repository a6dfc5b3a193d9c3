"""Who is behind an owner's key."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from .. import models
from ..contexts import context_class


def user_of(owner: str) -> Any:
    """Return the user whose own key it is; ``None`` for a team, a visitor, or nobody.

    Rows of the owner say who that is. Without any, the end of the key is tried as a
    primary key, as the app's own keys have it.
    """
    own_key = context_class().own_key
    for model in (models.Thread, models.Run, models.Attachment):
        rows = model.objects.for_owner(owner).exclude(user=None).order_by()
        for row in rows.select_related("user")[:1]:
            found: Any = row.user
            if own_key(found) == owner:
                return found
    users = get_user_model()._default_manager
    try:
        key = users.model._meta.pk.to_python(owner.rpartition(":")[2])
    except ValidationError:
        return None
    user = users.filter(pk=key).first()
    return user if user is not None and own_key(user) == owner else None
