"""The other door: streams by Channels, everything else by Django."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django_application = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path, re_path

from chatkit_images.routing import http_urlpatterns, websocket_urlpatterns

PREFIX = "chatkit/"
application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                path(PREFIX, URLRouter(http_urlpatterns)),
                re_path("", django_application),
            ]
        ),
        "websocket": URLRouter([path(PREFIX, URLRouter(websocket_urlpatterns))]),
    }
)
