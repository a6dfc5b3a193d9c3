from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

# The admin of the tests has the pages of this app and of Django's own.
for model in [*admin.site._registry]:
    if model._meta.app_label in ("authtoken", "oauth2_provider"):
        admin.site.unregister(model)

urlpatterns = [
    path("admin/", admin.site.urls),
    path("chatkit/", include("chatkit_images.urls")),
]
