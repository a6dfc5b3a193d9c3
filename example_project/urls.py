"""URLs of the example project."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from django.views.generic import RedirectView

from . import chats, views
from .servers import museum

urlpatterns = [
    path("", views.ChatView.as_view(), name="chat"),
    path("chats/", chats.ChatsView.as_view(), name="chats"),
    path("chatkit.js/", views.ChatKitJSView.as_view(), name="chatkit-js"),
    path("chatkit/", include("chatkit_images.urls")),
    path("museum/exhibits/", museum.exhibits, name="exhibits"),
    path("accounts/login/", LoginView.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    # Browsers ask for it on the admin's pages, which name no icon.
    path(
        "favicon.ico",
        RedirectView.as_view(url=f"{settings.STATIC_URL}example_project/icon.svg"),
    ),
]
