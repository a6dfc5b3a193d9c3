"""The servers of a measurement of files: Daphne or uvicorn, and nginx before it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
SERVERS = {
    "Daphne": ["daphne", "-b", "127.0.0.1", "-v", "0", "serving_app:application", "-p"],
    "uvicorn": [
        *("uvicorn", "--lifespan", "off", "--no-access-log", "--log-level", "warning"),
        *("serving_app:application", "--port"),
    ],
}
CONF = """
daemon off;
{user}
worker_processes 1;
pid {scratch}/nginx.pid;
error_log {scratch}/nginx.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 1000000;
    client_body_temp_path {scratch}/temp-body;
    proxy_temp_path {scratch}/temp-proxy;
    fastcgi_temp_path {scratch}/temp-fastcgi;
    uwsgi_temp_path {scratch}/temp-uwsgi;
    scgi_temp_path {scratch}/temp-scgi;
    proxy_cache_path {scratch}/cache keys_zone=files:1m use_temp_path=off;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    upstream app {{ server 127.0.0.1:{app}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://app; }}
        location /alone/ {{ alias {scratch}/files/; }}
        location /through-cache/ {{
            proxy_pass http://127.0.0.1:{port}/alone/;
            proxy_cache files;
            proxy_cache_valid 200 1h;
        }}
        location /chatkit/images/ {{
            proxy_pass http://app;
            proxy_cache files;
            proxy_ignore_headers Cache-Control Expires Vary;
        }}
        location /_images/ {{
            internal;
            alias {scratch}/media/;
            etag off;
            add_header ETag $upstream_http_etag always;
            add_header Last-Modified $upstream_http_last_modified always;
            add_header X-Content-Type-Options nosniff always;
            add_header Content-Security-Policy "default-src 'none'; sandbox" always;
            add_header Referrer-Policy $upstream_http_referrer_policy always;
        }}
    }}
}}
"""


def environment(folder: Path, **more: Any) -> dict[str, str]:
    """Return what a process of the project needs to know."""
    here = {"folder": str(folder), "settings": {}, **more}
    places = os.pathsep.join([str(HERE.parent), str(HERE)])
    return os.environ | {"SERVING": json.dumps(here), "PYTHONPATH": places}


def prepare(folder: Path, sizes: dict[str, int]) -> dict[str, str]:
    """Fill a folder, and return the paths of the images by the names of their sizes."""
    done = subprocess.run(
        [sys.executable, "-c", "import serving_app; serving_app.prepare()"],
        cwd=HERE,
        env=environment(folder, sizes=sizes),
        stdout=subprocess.PIPE,
        check=True,
    )
    paths: dict[str, str] = json.loads(done.stdout)
    return paths


@contextmanager
def site(server: str, folder: Path, **settings: Any) -> Iterator[tuple[Any, int, int]]:
    """Run a server and nginx; yield the server's process, its port, and nginx's."""
    app, port = free_port(), free_port()
    conf = folder / "nginx.conf"
    user = "user root;" if os.getuid() == 0 else ""
    conf.write_text(CONF.format(scratch=folder, app=app, port=port, user=user))
    commands = [
        [sys.executable, "-m", *SERVERS[server], str(app)],
        [str(NGINX), "-e", str(folder / "nginx.log"), "-c", str(conf)],
    ]
    children = [
        psutil.Popen(
            command,
            cwd=HERE,
            env=environment(folder, settings=settings),
            stdout=subprocess.DEVNULL,
        )
        for command in commands
    ]
    try:
        for each in (app, port):
            _wait_for(each)
        yield children[0], app, port
    finally:
        for child in children:
            child.terminate()
            child.wait()
        shutil.rmtree(folder / "cache", ignore_errors=True)


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise SystemExit(f"Nobody listens at port {port}.")
