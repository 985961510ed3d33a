"""The sockets at which a gateway takes connections."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from gateway.app import doors
from gateway.config import Config, parse
from gateway.errors import ConfigError
from gateway.units import Address
from tests.serve.loopback import ANY_PORT


def config(text: str = "") -> Config:
    return parse(f'[proxy]\nlisten = "127.0.0.1:0"\n{text}', "gate.toml")


def test_only_what_is_wanted_is_open() -> None:
    opened = doors.opened(config("enabled = false\n"), ANY_PORT, has_mitmproxy=False)
    assert (opened.proxy, opened.hop) == ((), ())
    addresses = opened.addresses()
    assert addresses == {"base_url": addresses["base_url"], "proxy": None, "hop": None}
    opened.close()
    opened = doors.opened(config(), ANY_PORT, has_mitmproxy=True)
    assert all(opened.addresses().values())
    opened.close()


def test_a_connection_waits_for_who_serves() -> None:
    opened = doors.opened(config(), ANY_PORT, has_mitmproxy=False)
    with socket.create_connection(opened.base_url[0].getsockname()):
        taken, _ = opened.base_url[0].accept()
        taken.close()
    opened.close()


def test_who_inherits_them_has_the_same_sockets_and_hands_them_to_nobody() -> None:
    opened = doors.opened(config(), ANY_PORT, has_mitmproxy=False)
    numbers = {name: [os.dup(one) for one in found] for name, found in opened.descriptors().items()}
    for number in numbers["base_url"]:
        os.set_inheritable(number, True)
    inherited = doors.Doors.inherited(numbers)
    assert inherited.addresses() == opened.addresses()
    assert not any(os.get_inheritable(number) for found in numbers.values() for number in found)
    opened.close()
    with socket.create_connection(inherited.base_url[0].getsockname()):
        pass
    inherited.close()


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("proxy.listen", 'listen = "{at}"'),
        ("proxy.hop", 'listen = "127.0.0.1:0"\nhop = "{at}"'),
        ("gateway.listen", 'listen = "127.0.0.1:0"'),
    ],
)
def test_an_address_in_use_leaves_none_open(setting: str, text: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = Address("127.0.0.1", taken.getsockname()[1])
        given = parse(f"[proxy]\n{text.format(at=at)}\n", "gate.toml")
        listen = at if setting == "gateway.listen" else ANY_PORT
        before = sum(1 for _ in Path("/proc/self/fd").iterdir())
        with pytest.raises(ConfigError, match=rf"^{setting}: cannot listen on {at}: address already in use"):
            doors.opened(given, listen, has_mitmproxy=False)
        assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before
