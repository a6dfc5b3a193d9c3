"""The `demo` command."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.ports import free_port

from .processes import ROOT, answers, demo_environment


def demo(scratch: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start the command."""
    return subprocess.Popen(
        [sys.executable, "manage.py", "demo", *arguments],
        cwd=ROOT,
        env=demo_environment(scratch) | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job, as the tests may be, ignores it from the start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        _, errors = demo(tmp_path, address).communicate(timeout=120)
    assert (
        errors == f"CommandError: Cannot serve at {address}: Address already in use.\n"
    )
    assert not (tmp_path / "db.sqlite3").exists()


@pytest.mark.parametrize("addrport", ["eight", "127.0.0.1:", "127.0.0.1:99999"])
def test_odd_address_is_refused(tmp_path: Path, addrport: str) -> None:
    _, errors = demo(tmp_path, addrport).communicate(timeout=120)
    assert errors == (
        f"CommandError: {addrport!r} is not a port or an address:port pair.\n"
    )


def test_generated_password_is_printed_once_and_ctrl_c_is_quiet(tmp_path: Path) -> None:
    outputs = []
    for _ in range(2):
        port = free_port()
        process = demo(tmp_path, str(port), DJANGO_SUPERUSER_PASSWORD="")
        deadline = time.monotonic() + 120
        while not answers(f"http://127.0.0.1:{port}/") and time.monotonic() < deadline:
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=120)
        assert errors == ""
        assert process.returncode == 0
        assert f"http://127.0.0.1:{port}/chatkit.js/" in output
        outputs.append(output)
    assert "password" in outputs[0]
    assert "password" not in outputs[1]
