"""The admin, and beside it a plain list of the same columns."""

from __future__ import annotations

from typing import Any

import admin_site
from django.contrib import admin
from django.urls import path

urlpatterns: list[Any] = [
    path("admin/", admin.site.urls),
    path("plain/", admin_site.plain.urls),
]
