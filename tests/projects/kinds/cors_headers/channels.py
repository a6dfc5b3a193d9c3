"""Django alone, as its middleware adds the headers for the other origin."""

from shop.asgi import application  # noqa: F401
