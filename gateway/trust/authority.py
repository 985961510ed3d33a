"""The certificate authority as a value: a key, its certificate, and the text in which both are kept.

The certificate is one that strict verifiers take (OpenSSL's X509_V_FLAG_X509_STRICT, which Python sets from 3.13 on):
key usage and basic constraints critical, with key identifiers. It can sign TLS servers alone, and nothing below it can
sign. Limits to names stand in the root itself, where OpenSSL, GnuTLS, Go and rustls check them and Java does not. The
key is on P-256 (FIPS 186-5), as every TLS client knows that curve.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.trust.name import Subtree

LIFETIME: Final = timedelta(days=3650)
"""Of an authority: ten years, as others that are made for one machine (mkcert, mitmproxy); `rotate` ends it sooner."""

BACKDATE: Final = timedelta(hours=24)
"""How long before it was made a certificate is valid, for clients whose clock is slow. The Baseline Requirements of the
CA/Browser Forum (version 2.2.7, section 7.1.2.7) allow 48 hours."""

ORGANIZATION: Final = "Lockgate"

_EVERYTHING: Final[tuple[Subtree, ...]] = ("", ip_network("0.0.0.0/0"), ip_network("::/0"))
"""The subtree with all names, for each form of names."""


class Unusable(ValueError):
    """A text that holds no authority. The message says why."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A key and its certificate."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate

    @property
    def permitted(self) -> tuple[Subtree, ...]:
        """The subtrees that it may sign for, in the order of the certificate; none where it may sign for all."""
        return permitted(self.certificate)

    def text(self) -> str:
        """Key and certificate in PEM, to be kept where only their owner can read them."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key.decode("ascii") + pem(self.certificate)


def made(subtrees: tuple[Subtree, ...], now: datetime) -> Authority:
    """A new authority, limited to the subtrees (none: to nothing)."""
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    # A name of its own for each, so that no verifier takes an earlier one for it.
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{ORGANIZATION} CA {identifier.digest.hex()[:8]}"),
        ]
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    if subtrees:
        builder = builder.add_extension(_constraints(subtrees), critical=True)
    return Authority(key, builder.sign(key, hashes.SHA256()))


def parsed(text: str) -> Authority:
    """The authority in that text. Raises Unusable."""
    certificate = parsed_certificate(text)
    try:
        key = load_pem_private_key(text.encode("utf-8"), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Unusable("holds no private key that can be read") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Unusable("its private key is none on an elliptic curve")
    if key.public_key() != certificate.public_key():
        raise Unusable("its private key is not that of its certificate")
    return Authority(key, certificate)


def parsed_certificate(text: str) -> x509.Certificate:
    """The authority's certificate in that text, with or without a key beside it. Raises Unusable."""
    try:
        certificate = x509.load_pem_x509_certificate(text.encode("utf-8"))
        is_authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise Unusable("holds no certificate of an authority that can be read") from error
    if not is_authority:
        raise Unusable("its certificate is none of an authority")
    return certificate


def permitted(certificate: x509.Certificate) -> tuple[Subtree, ...]:
    """The subtrees that an authority with this certificate may sign for; none where it may sign for all."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(subtree.value for subtree in constraints.permitted_subtrees or ())


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def fingerprint(certificate: x509.Certificate) -> str:
    """The SHA-256 digest of the certificate, as `openssl x509 -fingerprint -sha256` shows it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """Of an authority (certificates and revocation lists), or of a server with a key on a curve (signatures)."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _constraints(subtrees: tuple[Subtree, ...]) -> x509.NameConstraints:
    """A form of names of which nothing is permitted is not limited at all, so all of it is excluded.

    (RFC 5280, section 4.2.1.10; Baseline Requirements, section 7.1.2.5.2.)
    """
    forms = {type(subtree) for subtree in subtrees}
    excluded = [everything for everything in _EVERYTHING if type(everything) not in forms]
    return x509.NameConstraints(list(_general_names(subtrees)), list(_general_names(excluded)) or None)


def _general_names(subtrees: Iterable[Subtree]) -> Iterable[x509.GeneralName]:
    for subtree in subtrees:
        yield x509.IPAddress(subtree) if isinstance(subtree, IPv4Network | IPv6Network) else x509.DNSName(subtree)
