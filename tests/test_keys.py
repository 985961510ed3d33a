"""The gateway's secret and the keys made from it."""

from __future__ import annotations

import hashlib
import hmac
import stat
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.keys import derive, secret_from_file, secret_from_text


def test_a_key_is_hkdf_sha256_of_the_secret() -> None:
    """RFC 5869, sections 2.2 and 2.3, written out."""
    extracted = hmac.new(b"lockgate/1", b"secret", hashlib.sha256).digest()
    assert derive(b"secret", "audit") == hmac.new(extracted, b"audit\x01", hashlib.sha256).digest()


def test_purposes_and_secrets_give_keys_of_their_own() -> None:
    made = {derive(secret, purpose) for secret in (b"a", b"b") for purpose in ("audit", "marks")}
    assert len(made) == 4
    assert {len(key) for key in made} == {32}


def test_a_new_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "secret"
    made = secret_from_file(path)
    assert len(made) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secret_from_file(path) == made
    assert [entry.name for entry in path.parent.iterdir()] == ["secret"]


def test_the_loser_of_a_race_reads_the_winner_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    path.write_text("w" * 32)
    path.chmod(0o600)
    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert secret_from_file(path) == b"w" * 32
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    path.write_text("s" * 32)
    path.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        secret_from_file(path)
    assert caught.value.problems == (f"{path}: others may read the secret file (mode {mode:04o}); accepted: 0600",)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        secret_from_text(" 123456789012345 \n", "here")
    assert caught.value.problems == ("here: the secret is too short; accepted: at least 16 characters",)


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        secret_from_file(tmp_path)
    assert caught.value.problems == (f"{tmp_path}: the secret file cannot be used: Is a directory",)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff" * 32)
    with pytest.raises(ConfigError) as caught:
        secret_from_file(binary)
    assert "the secret file cannot be used: 'utf-8' codec" in caught.value.problems[0]
