"""Launchers' tokens: what they say, and every way not to be believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ClientError, Code
from gateway.launch import SKEW, Isolation, Launch, key_of, launch_of, token

KEY = key_of(b"the secret of the gateway")
LAUNCH = Launch("research", Isolation.NAMESPACE, 1_000_000, 1_086_400, "0f" * 12)
TOKEN = token(KEY, LAUNCH)
NOW = 1_000_500.0

LAUNCHES = st.builds(
    Launch,
    st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True),
    st.sampled_from(Isolation),
    st.integers(0, 2_000_000),
    st.integers(2_000_001, 10**12 - 1),
)


def refusal(text: str, now: float = NOW, key: bytes = KEY) -> str:
    with pytest.raises(ClientError) as caught:
        launch_of(key, text, now)
    assert (caught.value.code, caught.value.status) == (Code.IDENTITY, 401)
    return str(caught.value)


def test_it_is_spelt_as_it_is_documented() -> None:
    assert re.fullmatch(
        rf"lockgate-launch\.1\.research\.namespace\.1000000\.1086400\.{'0f' * 12}\.[A-Za-z0-9_-]{{43}}", TOKEN
    )


@given(LAUNCHES)
def test_what_was_signed_is_read_and_needs_no_quoting(launch: Launch) -> None:
    made = token(KEY, launch)
    assert launch_of(KEY, made, 2_000_000.0) == launch
    assert quote(made, safe="") == made
    assert urlsplit(f"http://agent:{made}@127.0.0.1:8081").password == made


def test_no_two_tokens_are_alike() -> None:
    assert len({token(KEY, Launch("a", Isolation.NONE, 0, 1)) for _ in range(100)}) == 100


@pytest.mark.parametrize("text", ["", "sk-key", "lockgate-launch", "Lockgate-launch.1.x", f" {TOKEN}", f"x{TOKEN}"])
def test_other_credentials_are_left_to_others(text: str) -> None:
    assert launch_of(KEY, text, NOW) is None


def signed(body: str, key: bytes = KEY) -> str:
    """A token with that text, under a signature that fits it."""
    signature = base64.urlsafe_b64encode(hmac.digest(key, body.encode(), hashlib.sha256))
    return f"{body}.{signature.rstrip(b'=').decode()}"


BODY = TOKEN.rpartition(".")[0]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (TOKEN.replace("research", "operator"), "is not signed with the secret of this gateway"),
        (TOKEN.replace("namespace", "vm"), "is not signed with the secret of this gateway"),
        (TOKEN.replace("1086400", "9986400"), "is not signed with the secret of this gateway"),
        (TOKEN[:-1] + ("A" if TOKEN[-1] != "A" else "B"), "is not signed with the secret of this gateway"),
        (f"{BODY}.{'A' * 43}", "is not signed with the secret of this gateway"),
        (signed(BODY, b""), "is not signed with the secret of this gateway"),
        (TOKEN.replace(".1.", ".2.", 1), "is of another version"),
        (signed(BODY.replace(".1.", ".2.", 1)), "is of another version"),
        (signed(BODY.replace(".1.", "..", 1)), "is of another version"),
        (BODY, "cannot be read; was it cut short?"),
        (f"{BODY}.", "cannot be read; was it cut short?"),
        (f"{TOKEN}=", "cannot be read; was it cut short?"),
        (f"{TOKEN}\n", "cannot be read; was it cut short?"),
        (f"{TOKEN}.x", "cannot be read; was it cut short?"),
        (signed(BODY.replace("research", "Research")), "cannot be read; was it cut short?"),
        (signed(BODY.replace("1000000", "٣")), "cannot be read; was it cut short?"),
        (signed(BODY.replace("1000000", "-1")), "cannot be read; was it cut short?"),
        (signed(BODY.replace("namespace", "fortress")), "names an isolation that is not known here"),
        (signed(BODY.replace("research", "")), "cannot be read; was it cut short?"),
        (f"{BODY}.{chr(0xDC80) * 43}", "cannot be read; was it cut short?"),
    ],
)
def test_a_token_that_was_made_or_changed_by_others_is_refused(text: str, why: str) -> None:
    assert why in refusal(text)


def test_the_token_of_another_gateway_is_refused_with_the_way_out() -> None:
    why = refusal(TOKEN, key=key_of(b"the secret of another"))
    assert why == (
        "the launcher's token is not signed with the secret of this gateway; run `lockgate exec` with the gateway's "
        "--config"
    )


@pytest.mark.parametrize("length", range(len("lockgate-launch."), len(TOKEN)))
def test_a_token_that_was_cut_short_is_refused(length: int) -> None:
    with pytest.raises(ClientError, match=r"is of another version|cannot be read; was it cut short"):
        launch_of(KEY, TOKEN[:length], NOW)


@given(st.integers(len("lockgate-launch."), len(TOKEN) - 1), st.integers(0, 6))
def test_no_bit_of_a_token_can_be_flipped(position: int, bit: int) -> None:
    flipped = chr(ord(TOKEN[position]) ^ (1 << bit))
    with pytest.raises(ClientError):
        launch_of(KEY, TOKEN[:position] + flipped + TOKEN[position + 1 :], NOW)


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (LAUNCH.issued - SKEW - 1, "is not valid yet; set the clocks"),
        (LAUNCH.expires + SKEW, "has expired; start the command again"),
        (LAUNCH.expires + 10 * 86400.0, "has expired; start the command again"),
    ],
)
def test_it_is_good_for_its_time_alone(now: float, why: str) -> None:
    assert why in refusal(TOKEN, now)


@pytest.mark.parametrize("now", [LAUNCH.issued - SKEW, LAUNCH.issued, LAUNCH.expires, LAUNCH.expires + SKEW - 1])
def test_clocks_may_differ_a_little(now: float) -> None:
    assert launch_of(KEY, TOKEN, now) == LAUNCH


def test_one_that_was_good_is_not_good_again_once_it_expired() -> None:
    assert launch_of(KEY, TOKEN, NOW) == launch_of(KEY, TOKEN, NOW + 1) == LAUNCH
    assert "has expired" in refusal(TOKEN, LAUNCH.expires + SKEW)


def test_isolation_is_a_ladder() -> None:
    assert [level.word for level in sorted(Isolation)] == ["none", "process", "namespace", "vm"]
