"""Leaves and the contexts that serve them. What clients make of them is in test_clients.py."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import ClientError, Code, InternalError
from gateway.settings.proxy import MAX_LEAF
from gateway.trust import leaf
from gateway.trust.authority import LIFETIME, Authority, made
from gateway.trust.leaf import Leaves, signed
from gateway.trust.name import server_name, subtree
from tests.trust.times import Clock, clock

WEEK = timedelta(days=7)
NOW = clock()()
ONE = made((), NOW)


@pytest.fixture
def time() -> Clock:
    return Clock(NOW)


def shown(context: ssl.SSLContext) -> x509.Certificate:
    """The certificate that a client is shown."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    client = trusting.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    found = client.getpeercert(binary_form=True)
    assert found is not None
    return x509.load_der_x509_certificate(found)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def issued(host: str, authority: Authority = ONE, lifetime: timedelta = WEEK) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    return signed(authority, key.public_key(), server_name(host), NOW, NOW + lifetime)


@pytest.mark.parametrize(
    ("host", "alternative"),
    [
        ("Example.com", x509.DNSName("example.com")),
        ("127.0.0.1", x509.IPAddress(server_name("127.0.0.1"))),  # type: ignore[arg-type]  # is an address
        ("[::1]", x509.IPAddress(server_name("::1"))),  # type: ignore[arg-type]  # is an address
    ],
)
def test_the_name_is_a_subject_alternative_name_and_nothing_else(host: str, alternative: x509.GeneralName) -> None:
    certificate = issued(host)
    assert [*certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value] == [alternative]
    assert certificate.subject.rfc4514_string() == "O=Lockgate"


def test_it_is_for_a_server_and_signs_nothing() -> None:
    extensions = issued("example.com").extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert (constraints.critical, constraints.value.ca) == (True, False)
    assert (usage.critical, usage.value.digital_signature, usage.value.key_cert_sign) == (True, True, False)
    assert [*extensions.get_extension_for_class(x509.ExtendedKeyUsage).value] == [x509.OID_SERVER_AUTH]
    identifier = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    own = ONE.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert identifier == own.digest


def test_the_longest_lifetime_that_can_be_configured_is_one_that_apple_takes() -> None:
    longest = timedelta(seconds=MAX_LEAF)
    certificate = issued("example.com", lifetime=longest)
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=397)


def test_a_leaf_neither_begins_before_its_authority_nor_outlives_it(time: Clock) -> None:
    assert issued("example.com").not_valid_before_utc == ONE.certificate.not_valid_before_utc
    time.time = NOW + LIFETIME - timedelta(hours=1)
    assert shown(Leaves(ONE, WEEK, now=time).context("example.com")).not_valid_after_utc == NOW + LIFETIME


def test_each_leaf_has_a_key_of_its_own_that_is_not_the_authority_s(time: Clock) -> None:
    leaves = Leaves(ONE, WEEK, now=time)
    one, other = (shown(leaves.context(host)).public_key() for host in ("a.example", "b.example"))
    assert one != other
    assert ONE.key.public_key() not in (one, other)


def test_serial_numbers_are_drawn_anew() -> None:
    assert issued("example.com").serial_number != issued("example.com").serial_number


class TestKept:
    def test_a_host_is_served_by_one_context_in_whatever_spelling(self, time: Clock) -> None:
        leaves = Leaves(ONE, WEEK, now=time)
        assert leaves.context("example.com") is leaves.context("EXAMPLE.com.")
        assert leaves.context("::1") is leaves.context("[0:0::1]")
        assert leaves.context("example.com") is not leaves.context("www.example.com")

    def test_it_is_renewed_at_half_of_its_life(self, time: Clock) -> None:
        leaves = Leaves(ONE, WEEK, now=time)
        first = leaves.context("example.com")
        time.pass_by(days=3, hours=11)
        assert leaves.context("example.com") is first
        time.pass_by(hours=1)
        second = leaves.context("example.com")
        assert second is not first
        assert shown(second).not_valid_after_utc == time() + WEEK
        assert leaves.context("example.com") is second

    def test_it_is_renewed_when_the_clock_turns_out_to_have_been_ahead(self, time: Clock) -> None:
        time.pass_by(days=30)
        leaves = Leaves(ONE, WEEK, now=time)
        first = leaves.context("example.com")
        time.time = NOW
        assert shown(first).not_valid_before_utc > NOW
        assert shown(leaves.context("example.com")).not_valid_before_utc <= NOW

    def test_those_that_were_not_asked_for_longest_go_first(self, time: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leaf, "KEPT", 2)
        leaves = Leaves(ONE, WEEK, now=time)
        a, b = leaves.context("a.example"), leaves.context("b.example")
        assert leaves.context("a.example") is a
        leaves.context("c.example")
        assert leaves.context("a.example") is a
        assert leaves.context("b.example") is not b

    def test_another_authority_signs_at_once(self, time: Clock) -> None:
        leaves, other = Leaves(ONE, WEEK, now=time), made((), NOW)
        old = leaves.context("example.com")
        leaves.sign_with(other)
        assert shown(leaves.context("example.com")).issuer == other.certificate.subject
        assert shown(old).issuer == ONE.certificate.subject  # who holds it goes on with it


class TestRefused:
    @pytest.mark.parametrize("host", ["", "*.example.com", "127.1", "bücher.example"])
    def test_what_is_no_host(self, host: str, time: Clock) -> None:
        with pytest.raises(ClientError) as caught:
            Leaves(ONE, WEEK, now=time).context(host)
        assert (caught.value.code, caught.value.status) == (Code.EGRESS, 403)
        assert f"`{host}` is no host; accepted:" in str(caught.value)

    @pytest.mark.parametrize("host", ["example.org", "127.0.0.1"])
    def test_what_the_authority_may_not_sign_for(self, host: str, time: Clock) -> None:
        leaves = Leaves(made((subtree("example.com"),), NOW), WEEK, now=time)
        assert shown(leaves.context("www.example.com"))
        with pytest.raises(ClientError) as caught:
            leaves.context(host)
        assert (caught.value.code, caught.value.status) == (Code.EGRESS, 403)
        assert f"`{host}` is not among the names that the gateway may sign for; [proxy] name_constraints" in str(
            caught.value
        )

    def test_everything_once_the_authority_expired(self, time: Clock) -> None:
        leaves = Leaves(ONE, WEEK, now=time)
        leaves.context("example.com")
        time.time = NOW + LIFETIME
        with pytest.raises(InternalError) as caught:
            leaves.context("example.com")
        assert "the certificate authority expired" in str(caught.value)


class TestContext:
    def test_it_speaks_tls_1_2_and_up(self, time: Clock) -> None:
        context = Leaves(ONE, WEEK, now=time).context("example.com")
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_RENEGOTIATION

    @pytest.mark.parametrize("readable", [leaf.in_memory, leaf.on_disk])
    def test_a_key_can_be_read_where_openssl_looks_and_is_gone_after(self, readable: leaf.Readable) -> None:
        opened = descriptors()
        with readable(b"secret") as path:
            assert Path(path).read_bytes() == b"secret"
            assert Path(path).stat().st_mode & 0o077 == 0 or path.startswith("/proc/self/fd/")
        assert not Path(path).exists()
        assert descriptors() == opened

    def test_where_there_is_memory_for_it_no_key_is_written_to_a_disk(
        self, time: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paths: list[str] = []
        monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", lambda _, path: paths.append(path))
        Leaves(ONE, WEEK, now=time).context("example.com")
        (path,) = paths
        assert path.startswith("/proc/self/fd/")

    def test_a_key_on_a_disk_serves_as_well(self, time: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leaf, "_readable", leaf.on_disk)
        assert shown(Leaves(ONE, WEEK, now=time).context("example.com"))
