"""Routes of the measured project: the app's URLs are made from them."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("chatkit/", include("chatkit_images.urls"))]
