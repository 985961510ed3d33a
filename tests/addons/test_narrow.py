"""What a narrowed process can still reach. Each attempt is made in a process of its own, as there is no way back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.addons.running import ADDONS

REFUSED = "[Errno 13] only the gateway may be dialled from here"

ATTEMPTS = {
    "connect": "socket.create_connection(('127.0.0.1', other))",
    "connect_ex": "socket.socket().connect_ex(('127.0.0.1', other))",
    "another spelling": "socket.socket().connect(('127.1', hop))",
    "a name": "socket.socket().connect(('localhost', hop))",
    "a unix socket": "socket.socket(socket.AF_UNIX).connect('/tmp/hop')",
    "ipv6": "socket.socket(socket.AF_INET6).connect(('::ffff:127.0.0.1', hop))",
    "sendto": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', other))",
    "sendmsg": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ('127.0.0.1', other))",
    "udp connect": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', other))",
    "asyncio": "asyncio.run(asyncio.open_connection('127.0.0.1', other))",
    "asyncio by name": "asyncio.run(asyncio.open_connection('localhost', hop))",
    "asyncio datagrams": "asyncio.run(datagrams())",
    "urllib": "urllib.request.urlopen(f'http://127.0.0.1:{other}/')",
    "getaddrinfo": "socket.getaddrinfo('secret.example.com', 443)",
    "getaddrinfo of bytes": "socket.getaddrinfo(b'secret.example.com', 443)",
    "gethostbyname": "socket.gethostbyname('secret.example.com')",
    "gethostbyname_ex": "socket.gethostbyname_ex('secret.example.com')",
    "gethostbyaddr": "socket.gethostbyaddr('127.0.0.1')",
    "getnameinfo": "socket.getnameinfo(('127.0.0.1', 80), 0)",
    "mitmproxy's own udp": "asyncio.run(mitmproxy_rs.udp.open_udp_connection('127.0.0.1', other))",
    "mitmproxy's own resolver": "mitmproxy_rs.dns.DnsResolver()",
    "the socket beneath": "_socket.socket(2, 1).connect(('127.0.0.1', other))",
    "without the patched names": "importlib.reload(socket).create_connection(('127.0.0.1', other))",
    "another hop": "lockgate_narrow.allow(('127.0.0.1', other)) or socket.create_connection(('127.0.0.1', other))",
}

ALLOWED = {
    "the hop": "socket.create_connection(('127.0.0.1', hop)).sendmsg([b'x'])",
    "the hop by asyncio": "asyncio.run(asyncio.open_connection('127.0.0.1', hop)) and None",
    "an address is no name": "socket.getaddrinfo('127.0.0.1', 443) and None",
    "listening": "asyncio.run(asyncio.start_server(print, None, 0)) and None",
    "allowing it again": "lockgate_narrow.allow(('127.0.0.1', hop))",
}

PROGRAM = """
import _socket, asyncio, importlib, json, socket, sys, urllib.request
import lockgate_narrow, mitmproxy_rs

async def datagrams():
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("127.0.0.1", other))

def told(attempt):
    try:
        return str(eval(attempt))
    except Exception as error:
        return str(getattr(error, "reason", error))

listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
hop, other = (listener.getsockname()[1] for listener in listeners)
if sys.argv[1] == "hop":
    lockgate_narrow.allow(("127.0.0.1", hop))
before = sys.argv[2]
exec(before)
print(json.dumps({name: told(attempt) for name, attempt in json.loads(sys.argv[3]).items()}))
"""


def tried(attempts: dict[str, str], *, may: str = "hop", before: str = "") -> dict[str, str]:
    """What became of each attempt."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, may, before, json.dumps(attempts)],
        env={**os.environ, "PYTHONPATH": str(ADDONS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, str] = json.loads(ran.stdout)
    return found


def test_nothing_but_the_hop_is_dialled_sent_to_or_looked_up() -> None:
    expected = dict.fromkeys(ATTEMPTS, REFUSED)
    found = tried(ATTEMPTS)
    assert found.pop("another hop").startswith("this process may dial ('127.0.0.1', ")
    del expected["another hop"]
    assert found == expected


def test_the_hop_is_dialled_and_listening_goes_on() -> None:
    found = tried(ALLOWED)
    assert found.pop("the hop") == "1"
    assert found == dict.fromkeys(found, "None")


def test_without_a_hop_nothing_is_dialled() -> None:
    hop = {"the hop": ALLOWED["the hop"]}
    assert tried(hop, may="none") == {"the hop": REFUSED}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("lockgate_narrow._JUDGES['socket.connect'] = lambda args: 1 / 0", "division by zero"),
        ("lockgate_narrow._JUDGES = None", "'NoneType' object has no attribute 'get'"),
        ("lockgate_narrow._refused = None", "'NoneType' object is not callable"),
    ],
)
def test_a_guard_that_is_broken_itself_refuses(fault: str, said: str) -> None:
    assert tried({"connect": ATTEMPTS["connect"]}, before=fault) == {"connect": said}


def test_settings_that_are_wrong_leave_a_process_that_dials_nothing(tmp_path: Path) -> None:
    program = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
try:
    import lockgate
except KeyError as error:
    print(error)
try:
    socket.create_connection(listener.getsockname())
except OSError as error:
    print(error)
"""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LOCKGATE_")}
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**environ, "PYTHONPATH": str(ADDONS)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines() == ["'LOCKGATE_HOP'", REFUSED]
