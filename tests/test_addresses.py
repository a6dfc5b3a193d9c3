"""The address of a client, of whom proxies tell."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory

from chatkit_images import addresses
from chatkit_images.context import RequestContext

PROXY = "10.0.0.1"
HALF = [PROXY, "10.0.0.2"]


def address(
    settings: Any, trusted: Any, remote: str, forwarded: str | None = None
) -> str | None:
    values = settings.CHATKIT_IMAGES | {"TRUSTED_PROXIES": trusted}
    settings.CHATKIT_IMAGES = values
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=remote)
    return addresses.of(request)


@pytest.mark.parametrize(
    ("trusted", "remote", "forwarded", "expected"),
    [
        # Nothing says how to read it.
        (None, "192.0.2.1", None, None),
        (None, PROXY, "192.0.2.1", None),
        # There is no proxy: what a client says of itself counts for nothing.
        ([], "192.0.2.1", None, "192.0.2.1"),
        ([], "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ([], "", "203.0.113.9", None),
        ([], "testclient", None, None),
        # One proxy, by its address, by its network, by its socket.
        ([PROXY], PROXY, "192.0.2.1", "192.0.2.1"),
        (["10.0.0.0/8"], "10.200.3.4", "192.0.2.1", "192.0.2.1"),
        (["10.0.0.7/8"], "10.200.3.4", "192.0.2.1", "192.0.2.1"),
        (["unix"], "", "192.0.2.1", "192.0.2.1"),
        ((PROXY,), PROXY, "192.0.2.1", "192.0.2.1"),
        # Who comes past the proxy is not believed.
        ([PROXY], "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        (["unix"], "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ([PROXY], "", "203.0.113.9", None),
        # What a client sent stands before what the proxy has seen.
        ([PROXY], PROXY, "203.0.113.9, 192.0.2.1", "192.0.2.1"),
        ([PROXY], PROXY, "10.0.0.1, 192.0.2.1", "192.0.2.1"),
        (["unix"], "", "unix:, 192.0.2.1", "192.0.2.1"),
        # Several proxies, and one that the project does not trust.
        (HALF, PROXY, "203.0.113.9, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ([PROXY], PROXY, "203.0.113.9, 192.0.2.1, 10.0.0.2", "10.0.0.2"),
        ([PROXY, "unix"], "", "192.0.2.1, 10.0.0.1, unix:", "192.0.2.1"),
        # A client within the network; a proxy that names nobody.
        (["10.0.0.0/8"], PROXY, "10.0.0.5", "10.0.0.5"),
        (["10.0.0.0/8"], PROXY, "10.0.0.6, 10.0.0.5", "10.0.0.6"),
        (["10.0.0.0/8"], PROXY, None, None),
        (["10.0.0.0/8"], PROXY, "", None),
        (["unix"], "", None, None),
        (["unix"], "", "unix:", None),
        # Ports, brackets, quotes and zones.
        ([PROXY], PROXY, "192.0.2.1:4711", "192.0.2.1"),
        ([PROXY], PROXY, "2001:db8::1", "2001:db8::/64"),
        ([PROXY], PROXY, "[2001:db8::1]", "2001:db8::/64"),
        ([PROXY], PROXY, "[2001:db8::1]:4711", "2001:db8::/64"),
        ([PROXY], PROXY, '"[2001:db8::1]:4711"', "2001:db8::/64"),
        ([PROXY], PROXY, "fe80::1%eth0", "fe80::/64"),
        ([PROXY], PROXY, "[fe80::1%eth0]:80", "fe80::/64"),
        # One customer has a network of IPv6.
        ([], "2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"),
        ([], "2001:db8:1:2:ffff::", None, "2001:db8:1:2::/64"),
        (["2001:db8::/32"], "2001:db8::9", "192.0.2.1", "192.0.2.1"),
        # IPv4 through a socket of IPv6 is IPv4.
        ([], "::ffff:192.0.2.1", None, "192.0.2.1"),
        ([PROXY], "::ffff:10.0.0.1", "::ffff:192.0.2.1", "192.0.2.1"),
        # What is no address.
        ([PROXY], PROXY, "unknown", None),
        ([PROXY], PROXY, "_hidden, unknown", None),
        ([PROXY], PROXY, "192.0.2.1, ", None),
        ([PROXY], PROXY, ",", None),
        ([PROXY], PROXY, "192.0.2.1, <script>", None),
        ([PROXY], PROXY, "192.0.2.999", None),
        ([PROXY], PROXY, "1", None),
        ([PROXY], PROXY, "[", None),
        ([PROXY], PROXY, "[]:80", None),
        ([PROXY], PROXY, "%", None),
        ([PROXY], PROXY, ":" * 50, None),
        ([PROXY], PROXY, "unix", None),
        # Very long headers.
        ([PROXY], PROXY, "203.0.113.9," * 5000 + "192.0.2.1", "192.0.2.1"),
        (["10.0.0.0/8"], PROXY, "10.0.0.2," * 5000 + "10.0.0.3", None),
        ([PROXY], PROXY, "9" * 60_000, None),
    ],
)
def test_the_address_of_a_client(
    settings: Any,
    trusted: Any,
    remote: str,
    forwarded: str | None,
    expected: str | None,
) -> None:
    assert address(settings, trusted, remote, forwarded) == expected


def test_a_context_has_it_and_no_row_keeps_it(settings: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"TRUSTED_PROXIES": ["unix"]}
    headers = {"x-forwarded-for": "192.0.2.1"}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR="")
    context = RequestContext.for_owner("api:1", request=request)
    assert context.address == "192.0.2.1"
    assert "192.0.2.1" not in str(context.to_row())
    assert RequestContext.from_row(context.to_row()).address is None
