"""Which requests begin alike, as the provider may know it: those of one thread.

OpenAI sends requests with the same key to the same machine, which has the beginning in
its cache. The Agents SDK gives each run a key of its own, so the next turn of a thread
might come to another machine.
"""

from __future__ import annotations

from django.utils.crypto import salted_hmac

NAME = "prompt_cache_key"
# OpenAI takes 64 characters.
LENGTH = 32


def key_of(scope: str, thread_id: str) -> str:
    """Return a digest of a thread, which takes ``SECRET_KEY`` to make.

    Args:
        scope: Whose thread it is: the owner and the tenant.
        thread_id: The thread.
    """
    salt, value = "chatkit_images.prompt_cache_key", f"{scope}\n{thread_id}"
    return salted_hmac(salt, value, algorithm="sha256").hexdigest()[:LENGTH]
