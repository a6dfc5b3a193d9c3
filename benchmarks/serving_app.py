"""The project whose files are served, and what its answers are compared with.

``SERVING`` has its settings in JSON: the folder, and more of ``CHATKIT_IMAGES``.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import project

HERE = json.loads(os.environ["SERVING"])
FOLDER = Path(HERE["folder"])
USUAL = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
project.configure(
    FOLDER,
    ROOT_URLCONF="serving_app",
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=USUAL,
    CHATKIT_IMAGES={"LIMITS": None, "STORAGE": "default", **HERE["settings"]},
)

from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import FileResponse, HttpRequest, HttpResponse  # noqa: E402
from django.urls import include, path  # noqa: E402

from chatkit_images import file_urls, models, storage  # noqa: E402
from chatkit_images.context import RequestContext  # noqa: E402


def empty(request: HttpRequest) -> HttpResponse:
    """Answer with nothing."""
    return HttpResponse()


def file(request: HttpRequest, name: str) -> FileResponse:
    """Answer with a file of the folder, as Django's documentation has it."""
    return FileResponse((FOLDER / "files" / name).open("rb"))


urlpatterns = [
    path("empty/", empty),
    path("file/<str:name>", file),
    path("chatkit/", include("chatkit_images.urls")),
]
application: Any = get_asgi_application()


def prepare() -> None:
    """Make the database, and an image of each size; print paths of signed URLs."""
    project.create_database()
    owner = RequestContext(None, "user:1", "http://localhost")
    thread = models.Thread.objects.create(pk="thr_1", owner=owner.owner)
    (FOLDER / "files").mkdir()
    paths = {}
    for number, (label, size) in enumerate(HERE["sizes"].items()):
        data = os.urandom(size)
        (FOLDER / "files" / label).write_bytes(data)
        name = storage.new_name("images", "png")
        storage.store(name, data)
        image = models.GeneratedImage.objects.create(
            thread=thread,
            call_id=f"ig_{number}",
            identity=str(number),
            status="completed",
            file=name,
            mime="image/png",
            bytes=size,
            sha256=hashlib.sha256(data).hexdigest(),
        )
        url = file_urls.signed_url(image, owner)
        paths[label] = url.removeprefix(owner.base_url)
    print(json.dumps(paths))
