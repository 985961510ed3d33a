"""Clients that know of no proxy, in a network of their own: by the manual's rules for nftables, and by WireGuard.

Needs Linux with user namespaces, /dev/net/tun, and the programs in `PROGRAMS`; without them these tests fail and say
what is missing.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.end_to_end.redirected import FAR, NEAR

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROGRAMS = {
    "unshare": "util-linux",
    "ip": "iproute2",
    "nft": "nftables",
    "wg": "wireguard-tools",
    "wireguard-go": "wireguard-go",
    "curl": "curl",
}
"""Each with the package of Debian that has it."""

OWN_NETWORK = ("unshare", "--user", "--map-root-user", "--net", "--mount")
ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Told:
    """What clients were answered, and what the gateway recorded of them. `near` is where they dialled from."""

    answers: dict[str, list[Any]]
    records: list[dict[str, Any]]
    near: str

    def answer(self, name: str) -> tuple[str, str]:
        """Body and status; the client dialled the far address, and trusted what it met there."""
        code, out = self.answers[name]
        body, _, told = out.rpartition("\n")
        status, _, address = told.partition(" ")
        assert (code, address) == (0, FAR)
        return body, status

    def record(self, path: str) -> dict[str, Any]:
        return [record for record in self.records if record["path"] == path][-1]


async def in_own_network(*command: str) -> tuple[int, str, str]:
    """Exit code and what was said, of a command that sees no network but its own."""
    process = await asyncio.create_subprocess_exec(*OWN_NETWORK, *command, stdout=PIPE, stderr=PIPE, cwd=ROOT)
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def network() -> None:
    """That this machine can make a network for the tests."""
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    assert not missing, f"programs that these tests run are missing: apt-get install {' '.join(missing)}"
    code, _, err = await in_own_network("true")
    assert code == 0, f"no user here may make a network of its own (sysctl user.max_net_namespaces): {err}"


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=[("transparent", NEAR), ("wireguard", "10.0.0.1")])
async def told(request: pytest.FixtureRequest, network: None, tmp_path_factory: pytest.TempPathFactory) -> Told:
    way, near = request.param
    folder = tmp_path_factory.mktemp(way)
    code, out, err = await in_own_network(sys.executable, "-m", "tests.end_to_end.redirected", way, str(folder))
    assert code == 0, err
    return Told(**json.loads(out.splitlines()[-1]), near=near)


async def test_a_client_that_knows_of_no_proxy_reaches_what_is_listed(told: Told) -> None:
    body, status = told.answer("listed")
    assert status == "200"
    assert json.loads(body)["body"] == "hello"
    assert json.loads(body)["x-lockgate-hop"] is None


async def test_it_is_recorded_by_the_name_in_its_tls_and_the_address_it_came_from(told: Told) -> None:
    record = told.record("/echo")
    assert (record["host"], record["outcome"], record["principal"]) == ("localhost", "forwarded", "default")
    assert record["client"] == told.near


async def test_it_may_speak_http_2(told: Told) -> None:
    body, status = told.answer("two")
    assert (status, json.loads(body)["method"]) == ("200", "GET")


async def test_what_it_sends_is_inspected(told: Told) -> None:
    body, status = told.answer("secret")
    assert (status, json.loads(body)["error"]["code"]) == ("400", "secret_blocked")
    assert told.record("/secret")["code"] == "secret_blocked"


@pytest.mark.parametrize(("name", "host"), [("stranger", "elsewhere.example"), ("nameless", FAR)])
async def test_it_reaches_nothing_else_by_name_or_by_address(told: Told, name: str, host: str) -> None:
    body, status = told.answer(name)
    assert (status, json.loads(body)["error"]["code"]) == ("403", "egress_denied")
    assert told.record(f"/{name}")["host"] == host
