"""A provider that is away is not waited for by one run after the other.

Each process notes for each service, which is a URL with a model, how the newest
requests have ended. Its rules:

- A request *has failed* if, before the service has sent anything, no connection to it
  could be made, it was too slow, broke off, or answered with a status of 500 or above.
  Answers below 500 are answers: refusals, rate limits (429) and bad requests too, as
  they come at once and are about one request or one account. What breaks off later
  counts for nothing.
- The service is *left alone* after requests of ``RUNS`` runs in a row have failed
  within ``WINDOW`` seconds. In a row means: none of them began before the service's
  newest answer, whoever got that. If the service could be connected to, they must be
  of ``PEOPLE`` people at least: one person's request may be what makes it fail.
- Then new requests are refused at once with ``ProviderAway``, for
  ``PROVIDER_PAUSE_SECONDS``, or as long as a 503 has asked for. After that one request
  at a time is let through as a probe. If it fails, the pause doubles, to ``MOST_PAUSE``
  at most; if it has no answer within ``PROBE_SECONDS``, another one may go.
- Any answer, to a probe or to a request of before, ends that at once.

So a service that answers anybody refuses nobody. Nothing is shared between processes.
"""

from __future__ import annotations

from .circuit import Service
from .questions import Question, asking, check, forget

__all__ = ["Question", "Service", "asking", "check", "forget"]
