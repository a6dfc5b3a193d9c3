"""A real nginx with the lines of the documentation."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.docs.pages import blocks
from tests.ports import free_port
from tests.services import absent

from .browsing import get, until

# Daemons live where root's PATH alone leads to.
COMMAND = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
CONF = """
daemon off;
{user}
worker_processes 1;
pid {scratch}/pid;
error_log {scratch}/error.log warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
    sendfile on;
    {http}
    server {{
        listen 127.0.0.1:{port};
        {server}
    }}
}}
"""


def documented(name: str, changes: dict[str, str]) -> str:
    """Return a block of the documentation with other places."""
    (part,) = blocks("nginx", name=name)
    text = part.text
    for place, other in changes.items():
        assert place in text, place
        text = text.replace(place, other)
    return text


@contextmanager
def nginx(scratch: Path, server: str, http: str = "") -> Iterator[str]:
    """Run nginx and yield its URL.

    Args:
        scratch: A directory of its own.
        server: Lines of its one server.
        http: Lines above the server.
    """
    if COMMAND is None:
        absent("nginx")
    port = free_port()
    is_root = Path("/proc/self").stat().st_uid == 0
    conf = scratch / "nginx.conf"
    conf.write_text(
        CONF.format(
            scratch=scratch,
            port=port,
            server=server,
            http=http,
            # Its workers read files of a directory that is this user's alone.
            user="user root;" if is_root else "",
        )
    )
    child = subprocess.Popen(
        [COMMAND, "-e", str(scratch / "error.log"), "-c", str(conf)]
    )
    url = f"http://127.0.0.1:{port}"

    def started() -> bool:
        assert child.poll() is None, (scratch / "error.log").read_text()
        try:
            return get(f"{url}/").status_code > 0
        except httpx2.TransportError:
            return False

    try:
        until(started, 60, "nginx")
        yield url
    finally:
        child.terminate()
        child.wait(30)
