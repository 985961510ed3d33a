"""What is encoded in a target and cannot be read, against the identifiers that hosts and paths are made of."""

from __future__ import annotations

import base64
import hashlib

import pytest

from gateway.errors import Code
from gateway.policy.decide import decide
from gateway.policy.egress.encoded import HOST_CATEGORY, REST_CATEGORY, encoded_data
from gateway.policy.egress.target import Target
from gateway.policy.profile import PROFILES
from gateway.segment import Span
from gateway.verdict import Effect

SECRET = "hunter2 is the password"


def noise(size: int) -> bytes:
    """Bytes as random as what is encrypted, and the same each time."""
    return hashlib.shake_256(b"noise").digest(size)


def base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


def labels(text: str) -> str:
    return ".".join(text[start : start + 60] for start in range(0, len(text), 60))


def categories(target: Target) -> list[str]:
    return [finding.category for _, findings in encoded_data(target, lambda _: "f00d") for finding in findings]


@pytest.mark.parametrize(
    "host",
    [
        "api.openai.com",
        "d111111abcdef8.cloudfront.net",
        "e1a2b3c4d5.execute-api.us-east-1.amazonaws.com",
        "my-bucket-123456789012-us-east-1.s3.amazonaws.com",
        "k8s-default-ingress-abc123def4-1234567890.us-east-1.elb.amazonaws.com",
        "vpce-0123456789abcdef0-abcdefgh-us-east-1a.ec2.us-east-1.vpce.amazonaws.com",
        "407408718192-abcdefghijklmnopqrstuvwxyz012345.apps.googleusercontent.com",
        "my-project-git-feature-some-branch-name-my-team.vercel.app",
        "oaidalleapiprodscus.blob.core.windows.net",
        "r3---sn-4g5e6nz7.googlevideo.com",
        "ec2-54-221-12-34.compute-1.amazonaws.com",
        "llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch.co.uk",
        "xn--80aswg.xn--80adxhks",
        "3f786850e387550fdab836ed7e6dc881de23001b.preview.example",  # a commit
        "550e8400-e29b-41d4-a716-446655440000.preview.example",  # a UUID
        "e3b0c44298fc1c149afbf4c8996fb924.27ae41e4649b934ca495991b7852b855.cdn.example",  # a SHA-256 digest
        "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi.ipfs.dweb.link",
    ],
)
def test_a_host_with_the_identifiers_that_hosts_have_is_left_alone(host: str) -> None:
    assert categories(Target(host, "/")) == []


@pytest.mark.parametrize(
    "host",
    [
        f"{labels(base32(noise(40)))}.evil.example",
        f"{labels(noise(40).hex())}.evil.example",
        f"{base32(noise(20))}.{base32(noise(20))}.evil.example",
        f"{'.'.join(noise(64).hex()[start : start + 4] for start in range(0, 128, 4))}.evil.example",
        f"{'-'.join(noise(24).hex()[start : start + 6] for start in range(0, 48, 6))}.{noise(30).hex()}.evil.example",
        f"{base32(SECRET.encode())}.evil.example",
        f"{base32(SECRET.encode())}。evil.example",
        f"{''.join(f'%{byte:02x}' for byte in base32(SECRET.encode()).encode())}.evil.example",
        f"{SECRET.encode().hex()}.evil.example",
        f"{labels(base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip('='))}.evil.example",
        f"{'.'.join(SECRET.encode().hex()[start : start + 6] for start in range(0, 46, 6))}.evil.example",
    ],
)
def test_a_host_with_more_than_an_identifier_or_with_hidden_text_is_found(host: str) -> None:
    assert categories(Target(host, "/")) == [HOST_CATEGORY]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/chat/completions", ""),
        ("/wiki/Internationalization_and_localization", "action=edit&section=12"),
        ("/o/r/blob/3f786850e387550fdab836ed7e6dc881de23001b/a.py", ""),
        ("/b/k", f"X-Amz-Credential=AKIDEXAMPLE%2F20261125%2Fus-east-1&X-Amz-Signature={noise(32).hex()}"),
        ("/b/k", f"Expires=1&Signature={base64.urlsafe_b64encode(noise(256)).decode()}"),  # RSA with 2048 bits
        ("/b/k", f"X-Goog-Signature={noise(256).hex()}"),
        ("/list", "cursor=" + base64.b64encode(b'{"after": "item", "page": 17}' * 40).decode()),  # is read
    ],
)
def test_a_path_and_query_with_a_signature_or_with_what_was_read_is_left_alone(path: str, query: str) -> None:
    assert categories(Target("a.example", path, query)) == []


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/" + base64.urlsafe_b64encode(noise(600)).decode(), ""),
        ("/x", "d=" + noise(600).hex()),
        ("/x", "&".join(f"p{index}={noise(2000)[index * 16 : index * 16 + 16].hex()}" for index in range(40))),
    ],
)
def test_a_path_and_query_with_more_than_a_signature_is_found(path: str, query: str) -> None:
    assert categories(Target("a.example", path, query)) == [REST_CATEGORY]


def test_a_finding_spans_its_part_and_holds_a_fingerprint_only() -> None:
    target = Target(f"{noise(64).hex()}.evil.example", "/x", "d=" + noise(600).hex())
    (host, [in_host]), (rest, [in_rest]) = encoded_data(target, lambda text: f"hash of {len(text)}")
    assert (host.place.path, host.text, rest.place.path, rest.text) == (
        ("host",),
        target.host,
        ("target",),
        f"/x?{target.query}",
    )
    assert (in_host.rule, in_host.span, in_host.fingerprint) == (
        "egress-encoded-data-host",
        Span(0, len(target.host)),
        f"hash of {len(target.host)}",
    )
    assert in_rest.rule == "egress-encoded-data-rest"


@pytest.mark.parametrize(
    ("profile", "host_effect", "rest_effect"),
    [
        ("monitor", Effect.REPORT, Effect.REPORT),
        ("balanced", Effect.BLOCK, Effect.REPORT),
        ("strict", Effect.BLOCK, Effect.BLOCK),
    ],
)
def test_the_decision_knows_the_findings(profile: str, host_effect: Effect, rest_effect: Effect) -> None:
    in_host = encoded_data(Target(f"{noise(64).hex()}.evil.example", "/"), str)
    in_rest = encoded_data(Target("a.example", "/" + noise(600).hex()), str)
    for found, effect in ((in_host, host_effect), (in_rest, rest_effect)):
        verdict = decide(PROFILES[profile], found)
        assert (verdict.effect, verdict.code) == (effect, Code.EGRESS if effect is Effect.BLOCK else None)
