"""The environment of an agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.trust.bundle import Bundle
from gateway.trust.variables import VARIABLES, Holds, environment, reachable
from gateway.units import Address

BUNDLE = Bundle(Path("/ca/bundle.pem"), Path("/ca/ca.pem"), 1)
MADE = environment(Address("127.0.0.1", 8081), ("localhost", "::1"), BUNDLE)


def test_each_variable_is_there_once_and_says_who_reads_it() -> None:
    names = [variable.name for variable in VARIABLES]
    assert len(set(names)) == len(names)
    assert all(variable.source for variable in VARIABLES)
    assert list(MADE) == names


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
def test_the_proxy_is_told_in_both_spellings_and_with_its_scheme(name: str) -> None:
    assert MADE[name] == MADE[name.lower()] == "http://127.0.0.1:8081"


def test_what_goes_past_it_replaces_whatever_did_before() -> None:
    assert MADE["NO_PROXY"] == MADE["no_proxy"] == "localhost,::1"
    nothing = environment(Address("127.0.0.1", 8081), (), BUNDLE)
    assert nothing["NO_PROXY"] == nothing["no_proxy"] == ""


def test_a_runtime_that_adds_what_it_is_told_gets_ours_alone_and_one_that_replaces_gets_everything() -> None:
    adding = {variable.name for variable in VARIABLES if variable.holds is Holds.OURS}
    assert adding == {"NODE_EXTRA_CA_CERTS", "DENO_CERT"}
    assert {MADE[name] for name in adding} == {"/ca/ca.pem"}
    assert MADE["SSL_CERT_FILE"] == MADE["REQUESTS_CA_BUNDLE"] == MADE["CURL_CA_BUNDLE"] == "/ca/bundle.pem"


def test_node_is_told_to_use_the_proxy() -> None:
    assert MADE["NODE_USE_ENV_PROXY"] == "1"


@pytest.mark.parametrize(
    ("listen", "at"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("gate", "gate")],
)
def test_a_wildcard_is_reached_over_loopback(listen: str, at: str) -> None:
    assert str(reachable(Address(listen, 1))) == f"{at}:1"
    assert environment(Address(listen, 1), (), BUNDLE)["HTTPS_PROXY"] == f"http://{at}:1"
