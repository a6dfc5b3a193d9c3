from dataclasses import dataclass

from oauth2_provider.oauth2_backends import get_oauthlib_core

from chatkit_images.context import RequestContext


@dataclass(frozen=True)
class BearerContext(RequestContext):
    """Clients send "Authorization: Bearer ..." with an access token for chats."""

    @classmethod
    def get_user(cls, request):
        valid, said = get_oauthlib_core().verify_request(request, scopes=["chat"])
        return said.user if valid else None
