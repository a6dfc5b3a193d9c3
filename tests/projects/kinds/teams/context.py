from dataclasses import dataclass

from chatkit_images.context import RequestContext

from .models import Membership


@dataclass(frozen=True)
class TeamContext(RequestContext):
    """What members of a team chat belongs to the team."""

    @classmethod
    def get_owner(cls, user, request=None):
        membership = Membership.objects.filter(user=user).first()
        return f"team:{membership.team_id}" if membership else f"user:{user.pk}"
