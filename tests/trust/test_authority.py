"""The authority as a value and as text. What verifiers make of it is in test_clients.py."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.trust.authority import BACKDATE, LIFETIME, Unusable, made, parsed, parsed_certificate, pem, permitted
from gateway.trust.leaf import signed
from gateway.trust.name import subtree
from tests.trust.times import clock

NOW = clock()()
ONE = made((), NOW)
OTHER = made((), NOW)


def private(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: str = "") -> str:
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> x509.Extension[x509.ExtensionType]:
    return certificate.extensions.get_extension_for_class(kind)


def test_it_is_on_p256_valid_from_yesterday_for_ten_years_and_named_for_its_key() -> None:
    certificate = ONE.certificate
    assert isinstance(ONE.key.curve, ec.SECP256R1)
    assert certificate.not_valid_before_utc == NOW - BACKDATE
    assert certificate.not_valid_after_utc == NOW + LIFETIME
    assert certificate.subject == certificate.issuer
    assert certificate.subject != OTHER.certificate.subject
    certificate.verify_directly_issued_by(certificate)


def test_it_signs_servers_and_nothing_that_signs() -> None:
    constraints = extension(ONE.certificate, x509.BasicConstraints)
    usage = extension(ONE.certificate, x509.KeyUsage)
    assert (constraints.value, constraints.critical) == (x509.BasicConstraints(ca=True, path_length=0), True)
    assert isinstance(usage.value, x509.KeyUsage)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.digital_signature) == (True, True, False)
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    assert extension(ONE.certificate, x509.ExtendedKeyUsage).value == server


@pytest.mark.parametrize(
    ("subtrees", "excluded"),
    [
        (("example.com", "b.org"), ("0.0.0.0/0", "::/0")),
        (("10.0.0.0/8",), ("", "::/0")),
        (("fd00::/8", "example.com"), ("0.0.0.0/0",)),
        (("example.com", "10.0.0.0/8", "fd00::/8"), ()),
    ],
)
def test_a_limit_holds_for_the_forms_of_names_it_does_not_speak_of(
    subtrees: tuple[str, ...], excluded: tuple[str, ...]
) -> None:
    wanted = tuple(map(subtree, subtrees))
    authority = made(wanted, NOW)
    found = extension(authority.certificate, x509.NameConstraints)
    assert isinstance(found.value, x509.NameConstraints)
    assert found.critical
    assert tuple(str(name.value) for name in found.value.excluded_subtrees or ()) == excluded
    assert authority.permitted == permitted(authority.certificate) == wanted


def test_without_a_limit_there_is_no_such_extension() -> None:
    assert ONE.permitted == ()
    with pytest.raises(x509.ExtensionNotFound):
        extension(ONE.certificate, x509.NameConstraints)


def test_its_text_is_read_back_and_its_value_shows_no_key() -> None:
    again = parsed(ONE.text())
    assert again.certificate == ONE.certificate
    assert again.key.private_numbers() == ONE.key.private_numbers()
    assert "PRIVATE" not in repr(ONE)
    assert "key" not in repr(ONE)
    assert parsed_certificate(pem(ONE.certificate)) == ONE.certificate


CERTIFICATE = pem(ONE.certificate)
LEAF_KEY = ec.generate_private_key(ec.SECP256R1())
LEAF = pem(signed(ONE, LEAF_KEY.public_key(), "example.com", NOW, NOW + timedelta(days=1)))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no certificate of an authority that can be read"),
        ("garbage", "holds no certificate of an authority that can be read"),
        (private(ONE.key), "holds no certificate of an authority that can be read"),
        (CERTIFICATE[:200], "holds no certificate of an authority that can be read"),
        (CERTIFICATE.replace("M", "N"), "holds no certificate of an authority that can be read"),
        (CERTIFICATE, "holds no private key that can be read"),
        (private(ONE.key).replace("M", "N") + CERTIFICATE, "holds no private key that can be read"),
        (private(ONE.key, "password") + CERTIFICATE, "holds no private key that can be read"),
        (private(rsa.generate_private_key(65537, 2048)) + CERTIFICATE, "its private key is none on an elliptic curve"),
        (private(OTHER.key) + CERTIFICATE, "its private key is not that of its certificate"),
        (private(LEAF_KEY) + LEAF, "its certificate is none of an authority"),
    ],
)
def test_what_holds_no_pair_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(Unusable) as caught:
        parsed(text)
    assert str(caught.value) == why
