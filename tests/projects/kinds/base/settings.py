# What a project adds to the settings that "startproject" has written.
import os

INSTALLED_APPS = ["daphne", *INSTALLED_APPS, "chatkit_images", "shop"]
ASGI_APPLICATION = "shop.asgi.application"
ALLOWED_HOSTS = ["*"]
LOGIN_REDIRECT_URL = "/"
MEDIA_ROOT = BASE_DIR / "media"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "db.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
CHATKIT_IMAGES = {
    "SERVER": "shop.chat.DesignServer",
    "SPOOL_DIR": BASE_DIR / "spool",
}
if "REDIS_URL" in os.environ:
    CHATKIT_IMAGES["RUN_LOG_URL"] = os.environ["REDIS_URL"]
