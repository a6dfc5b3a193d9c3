from dataclasses import dataclass

from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from chatkit_images.context import RequestContext


@dataclass(frozen=True)
class TokenContext(RequestContext):
    """Clients send "Authorization: Token ..." and no cookie."""

    @classmethod
    def get_user(cls, request):
        try:
            found = TokenAuthentication().authenticate(request)
        except AuthenticationFailed:
            return None
        return found[0] if found else None
