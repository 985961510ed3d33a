"""What real clients make of our certificates: Python with its strict flags, OpenSSL's command, and curl.

The latter two must be installed.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.trust import bundle, folder, leaf
from gateway.trust.authority import Authority, made, pem
from gateway.trust.leaf import Leaves, signed
from gateway.trust.name import server_name, subtree
from tests.trust.times import clock
from tests.trust.tls import CLIENTS, serving, told

type Client = Callable[[str, int, Path], str | None]

NOW = clock()()
DAY = timedelta(days=1)
FREE = made((), NOW)
LIMITED = made((subtree("example.com"), subtree("127.0.0.0/8")), NOW)

every_client = pytest.mark.parametrize("client", CLIENTS, ids=[client.__name__ for client in CLIENTS])


def roots(path: Path, *authorities: Authority) -> Path:
    path.write_text("".join(pem(authority.certificate) for authority in authorities))
    return path


def context(authority: Authority, host: str, *, ends: timedelta = DAY) -> ssl.SSLContext:
    """A leaf past what `Leaves` lets through."""
    key = ec.generate_private_key(ec.SECP256R1())
    return leaf.context(key, signed(authority, key.public_key(), server_name(host), NOW, NOW + ends))


@every_client
@pytest.mark.parametrize(
    "host",
    [
        *("api.example.com", "localhost", "127.0.0.1", "::1", "xn--bcher-kva.example", "my_service.internal"),
        "a" * 63 + "." + "b" * 63 + ".example.com",
    ],
)
def test_a_leaf_is_trusted_for_its_name(client: Client, host: str, tmp_path: Path) -> None:
    with serving(Leaves(FREE, DAY).context(host)) as port:
        assert client(host, port, roots(tmp_path / "ca.pem", FREE)) is None


@every_client
@pytest.mark.parametrize(
    ("host", "trusted"),
    [
        ("example.com", True),
        ("deep.below.example.com", True),
        ("127.0.0.1", True),
        ("other.com", False),
        ("notexample.com", False),
        ("10.0.0.1", False),
        ("::1", False),
    ],
)
def test_a_limited_authority_is_trusted_for_its_subtrees_alone(
    client: Client, host: str, trusted: bool, tmp_path: Path
) -> None:
    with serving(context(LIMITED, host)) as port:
        refusal = client(host, port, roots(tmp_path / "ca.pem", LIMITED))
    assert (refusal is None) is trusted
    assert trusted or "subtree" in str(refusal)  # permitted subtree violation, excluded subtree violation


@every_client
def test_an_authority_for_addresses_alone_is_trusted_for_no_name(client: Client, tmp_path: Path) -> None:
    authority = made((subtree("127.0.0.1"),), NOW)
    with serving(context(authority, "example.com")) as port:
        assert "excluded subtree violation" in str(client("example.com", port, roots(tmp_path / "ca.pem", authority)))


@every_client
def test_a_leaf_is_not_trusted_for_another_name_by_another_authority_or_after_its_end(
    client: Client, tmp_path: Path
) -> None:
    trusted = roots(tmp_path / "ca.pem", FREE)
    with serving(context(FREE, "a.example")) as port:
        assert "match" in str(client("b.example", port, trusted))
    with serving(context(made((), NOW), "a.example")) as port:
        assert "unable to get local issuer certificate" in str(client("a.example", port, trusted))
    with serving(context(FREE, "a.example", ends=timedelta(seconds=-1))) as port:
        assert "expired" in str(client("a.example", port, trusted))


@every_client
def test_agents_that_trust_the_bundle_are_served_before_and_after_a_rotation(client: Client, tmp_path: Path) -> None:
    old = folder.ensure(tmp_path, (), NOW)
    folder.rotate(tmp_path, (), NOW)
    new = folder.ensure(tmp_path, (), NOW)
    files = bundle.write(tmp_path, folder.certificates(tmp_path, NOW), {})
    leaves = Leaves(old, DAY)
    for authority in (old, new):
        leaves.sign_with(authority)
        with serving(leaves.context("api.example.com")) as port:
            assert client("api.example.com", port, files.ours) is None
            assert client("api.example.com", port, files.everything) is None


def test_openssl_finds_nothing_to_complain_of_in_the_chain(tmp_path: Path) -> None:
    trusted = roots(tmp_path / "ca.pem", FREE)
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    (tmp_path / "leaf.pem").write_text(pem(signed(FREE, key, "example.com", NOW, NOW + DAY)))
    strict = ["openssl", "verify", "-x509_strict", "-check_ss_sig", "-CAfile", str(trusted)]
    for options in (["-purpose", "sslserver", str(tmp_path / "leaf.pem")], [str(trusted)]):
        assert told([*strict, *options]).stdout == f"{options[-1]}: OK\n"
