"""Server certificates by host, each with a key of its own, as TLS contexts that are ready to serve.

Measured on one core of a server: 0.85 ms for a leaf with its context (0.07 ms of it to sign, 0.02 ms for the key, the
rest in OpenSSL) and 22 KiB of memory, so contexts are kept, and made anew when half of a leaf's life is over.
"""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.errors import ClientError, Code, InternalError
from gateway.trust.authority import BACKDATE, ORGANIZATION, Authority, key_usage, pem
from gateway.trust.name import Name, permits, server_name

KEPT: Final = 1024
"""Contexts that are kept: 22 MiB. An agent talks to a few dozen hosts."""

type Readable = Callable[[bytes], AbstractContextManager[str]]
"""Gives data a path for a while: OpenSSL, as Python has it, takes keys from files alone."""

_ALPN: Final = ["http/1.1"]


@dataclass(frozen=True, slots=True)
class _Served:
    """A context, and from when until when it is shown to new clients."""

    context: ssl.SSLContext
    begins: datetime
    renew_at: datetime


class Leaves:
    """The TLS contexts that stand in for hosts. `lifetime` is that of a leaf, `now` gives the time in UTC.

    For one thread, the event loop's.
    """

    def __init__(
        self, authority: Authority, lifetime: timedelta, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._authority, self._lifetime, self._now = authority, lifetime, now
        self._served: OrderedDict[Name, _Served] = OrderedDict()

    def sign_with(self, authority: Authority) -> None:
        """Sign with another authority from now on. Connections that are open keep what they were shown."""
        self._authority = authority
        self._served.clear()

    def context(self, host: str) -> ssl.SSLContext:
        """What serves that host, as a client names it.

        Raises ClientError for a host that is none or that the authority may not sign for, and InternalError when the
        authority has expired.
        """
        name = self._signable(host)
        now = self._now()
        served = self._served.get(name)
        # Before its beginning: the clock was ahead when it was made, and has been put right.
        if served is None or not served.begins <= now < served.renew_at:
            served = self._served[name] = self._made(name, now)
        self._served.move_to_end(name)
        if len(self._served) > KEPT:
            self._served.popitem(last=False)
        return served.context

    def _signable(self, host: str) -> Name:
        try:
            name = server_name(host)
        except ValueError as error:
            raise ClientError(str(error), code=Code.EGRESS, status=403) from None
        if not permits(self._authority.permitted, name):
            raise ClientError(
                f"`{name}` is not among the names that the gateway may sign for; [proxy] name_constraints has them",
                code=Code.EGRESS,
                status=403,
            )
        return name

    def _made(self, name: Name, now: datetime) -> _Served:
        issuer = self._authority.certificate
        if now >= issuer.not_valid_after_utc:
            raise InternalError(f"the certificate authority expired on {issuer.not_valid_after_utc}")
        key = ec.generate_private_key(ec.SECP256R1())
        ends = min(now + self._lifetime, issuer.not_valid_after_utc)
        certificate = signed(self._authority, key.public_key(), name, now, ends)
        return _Served(context(key, certificate), certificate.not_valid_before_utc, renew_at=now + (ends - now) / 2)


def signed(
    authority: Authority, key: ec.EllipticCurvePublicKey, name: Name, now: datetime, ends: datetime
) -> x509.Certificate:
    """A server certificate for one name.

    The name is a subject alternative name alone: no client is to read the common name any more (RFC 9525,
    section 2), which could not hold more than 64 characters.
    """
    issuer = authority.certificate
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    alternative = x509.DNSName(name) if isinstance(name, str) else x509.IPAddress(name)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION)]))
        .issuer_name(issuer.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(now - BACKDATE, issuer.not_valid_before_utc))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(authority.key, hashes.SHA256())
    )


def context(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> ssl.SSLContext:
    """What serves with that certificate: HTTP/1.1 over TLS 1.2 and up."""
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.minimum_version = ssl.TLSVersion.TLSv1_2
    served.options |= ssl.OP_NO_RENEGOTIATION
    served.set_alpn_protocols(_ALPN)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with _readable(private + pem(certificate).encode("ascii")) as path:
        served.load_cert_chain(path)
    return served


@contextmanager
def in_memory(data: bytes) -> Iterator[str]:
    """A path to memory that has the data."""
    assert sys.platform == "linux"
    descriptor = os.memfd_create("lockgate-leaf", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        yield f"/proc/self/fd/{descriptor}"


@contextmanager
def on_disk(data: bytes) -> Iterator[str]:
    """A file that has the data, for its owner alone, and gone at once."""
    descriptor, path = tempfile.mkstemp(prefix="lockgate-leaf-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        yield path
    finally:
        Path(path).unlink()


_readable: Readable = in_memory if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir() else on_disk
