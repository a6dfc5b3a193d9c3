"""The application of the tests: one of the two doors, and the WebSockets."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django_application = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from chatkit_images.routing import (  # noqa: E402
    http_urlpatterns,
    websocket_urlpatterns,
)

doors = {
    "view": django_application,
    "consumer": URLRouter(
        [
            path("chatkit/", URLRouter(http_urlpatterns)),
            re_path("", django_application),
        ]
    ),
}
application = ProtocolTypeRouter(
    {
        "http": doors[os.environ.get("CHATKIT_TEST_DOOR", "view")],
        "websocket": URLRouter([path("chatkit/", URLRouter(websocket_urlpatterns))]),
    }
)
