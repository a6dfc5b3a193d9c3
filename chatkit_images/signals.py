"""Signals, one for each event that others need.

They are sent in a thread with a database connection, never on the event loop, after the
rows are committed. Django logs the exceptions of a receiver; they change nothing else.
"""

from __future__ import annotations

from django.dispatch import Signal

image_saved = Signal()
"""An image is complete. Arguments: ``image`` (a ``GeneratedImage``)."""

image_failed = Signal()
"""An image call ended without a final image. Arguments: ``image``."""

run_finished = Signal()
"""A run has ended, in whatever way. Arguments: ``run`` (a ``Run``).

It is sent at least once for each run, also if the process of the run dies: then another
process sends it later, working for whom the run has worked. So receivers must bear to
be called twice for the same ``run.pk``. A receiver that raises has been called. It is
not sent if the run was deleted with its thread before it could end.
"""
