"""The two chat pages: the project's own client and OpenAI's ChatKit.js."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.generic import TemplateView

from chatkit_images.context import visitor

EXAMPLE_PROMPTS = [
    "A red fox in the snow",
    "Two houses by a lake",
    "A white sailboat on the sea at dusk",
    "A slow sunrise over the mountains",
]


# Both clients read the CSRF token from the cookie, which Django otherwise sets
# only on pages that contain a form.
@method_decorator(ensure_csrf_cookie, name="dispatch")
class ChatPageView(TemplateView):
    """Render a page whose script talks to the ChatKit endpoint."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the page, and begin the session of a visitor.

        A first message whose answer is lost finds its run again by that.
        """
        if request.user.is_anonymous:
            visitor(request.session)
        return super().get(request, *args, **kwargs)

    def get_endpoint(self) -> str:
        """Return the path that `chatkit_images.urls` is included under."""
        return reverse("chatkit_images:chat")

    def get_config(self) -> dict[str, Any]:
        """Return what the page's script needs to know, as JSON."""
        uploads = settings.CHATKIT_IMAGES.get("ATTACHMENT_UPLOADS", "app")
        return {"endpoint": self.get_endpoint(), "uploads": uploads}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(config=self.get_config(), **kwargs)


class ChatView(ChatPageView):
    """The chat page of this project."""

    template_name = "example_project/chat.html"

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"chats": reverse("chats")}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(prompts=EXAMPLE_PROMPTS, **kwargs)


class ChatKitJSView(ChatPageView):
    """The same chats in ChatKit.js, which OpenAI serves from its own network."""

    template_name = "example_project/chatkit_js.html"

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            # ChatKit.js wants an absolute URL: it is resolved in another origin.
            "endpoint": self.request.build_absolute_uri(self.get_endpoint()),
            "domainKey": settings.CHATKIT_DOMAIN_KEY,
        }
