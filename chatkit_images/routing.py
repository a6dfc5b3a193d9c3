"""Routes for Channels: the streams, and threads to watch.

In ``asgi.py``, before Django's own application::

    "http": URLRouter([
        path("chatkit/", URLRouter(http_urlpatterns)),
        re_path("", get_asgi_application()),
    ]),
    "websocket": URLRouter([path("chatkit/", URLRouter(websocket_urlpatterns))]),

All other requests go to the URLconf, which has the same paths.
"""

from __future__ import annotations

from django.urls import path

from .consumers import ChatKitConsumer, ThreadConsumer
from .views import ChatKitView, RunEventsView, ThreadEventsView

http_urlpatterns = [
    path("", ChatKitConsumer.as_asgi(ChatKitView)),
    path("runs/<uuid:run_id>/events/", ChatKitConsumer.as_asgi(RunEventsView)),
    path("threads/<str:thread_id>/events/", ChatKitConsumer.as_asgi(ThreadEventsView)),
]

websocket_urlpatterns = [
    path("threads/<str:thread_id>/", ThreadConsumer.as_asgi()),
]
