"""Who asks, as the provider may know it: the same digest for the same person.

With it OpenAI can act against one person who abuses a model, instead of the project.
"""

from __future__ import annotations

from django.utils.crypto import salted_hmac

NAME = "safety_identifier"


def identifier_of(scope: str) -> str:
    """Return a digest of a person and a tenant, which takes ``SECRET_KEY`` to make."""
    salt = "chatkit_images.safety_identifier"
    return salted_hmac(salt, scope, algorithm="sha256").hexdigest()
