"""Settings of the demo, with pages of other origins and a token of the tests."""

from __future__ import annotations

import os

from chatkit_images.conf.limits import DEFAULTS, GROUPS
from example_project.settings import *  # noqa: F403
from example_project.settings import CHATKIT_IMAGES

port = os.environ.get("ELSEWHERE", "9")
CHATKIT_IMAGES |= {
    "CONTEXT": "tests.browser.tokens.TokenContext",
    # The first is of the site of the demo, which is at 127.0.0.1; the second is not.
    "ORIGINS": [f"http://127.0.0.1:{port}", f"http://localhost:{port}"],
}
if "CHATKIT_IMAGES_S3_UPLOADS" in os.environ:
    CHATKIT_IMAGES["ATTACHMENT_TYPES"] += ["application/pdf"]
    CHATKIT_IMAGES["MAX_ATTACHMENT_BYTES"] = 200 * 2**20
    CHATKIT_IMAGES["LIMITS"] = {"VISITORS": {"BYTES_STORED": None}}
if "REPEATS" in os.environ:
    # All visitors have one address, and more to say than people have.
    groups = {name: dict.fromkeys(keys) for name, keys in GROUPS.items()}
    CHATKIT_IMAGES["LIMITS"] = dict.fromkeys(DEFAULTS) | groups
# Nobody guesses a password of these.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
