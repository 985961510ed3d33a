"""`[store]`: where it is, and what is refused, without a word of what a password may be."""

from __future__ import annotations

import re

import pytest

from gateway.config import Config, parse, store
from gateway.errors import ConfigError
from gateway.settings.store import StoreTable
from gateway.state.limit import OnError
from gateway.state.redis.place import Kind, Place


def test_by_default_nothing_is_shared() -> None:
    table = StoreTable()
    assert not table.is_shared
    assert (table.timeout, table.prefix, table.on_error) == (0.05, "lockgate", OnError.LOCAL)
    assert parse('[store]\nurl = "memory://"', "gate.toml").store == table
    assert store(Config(), {}) is None


def test_a_url_without_a_password_may_stand_in_the_file() -> None:
    config = parse('[store]\nurl = "redis+cluster://a:7000,b"\ntimeout = "20ms"', "gate.toml")
    assert config.store.is_shared
    assert config.store.timeout == 0.02
    assert store(config, {}) == Place(Kind.CLUSTER, (("a", 7000), ("b", 6379)))


def test_a_url_with_a_password_comes_from_the_environment() -> None:
    config = parse('[store]\nurl_env = "STORE"', "gate.toml")
    assert config.store.is_shared
    found = store(config, {"STORE": "rediss://gate:s3cret@h/2"})
    assert found == Place(Kind.SINGLE, (("h", 6379),), tls=True, user="gate", password="s3cret", db=2)
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('url = "redis://:hunter2@h"', r"store\.url: holds a password; accepted: `url_env`"),
        ('url = "mysql://hunter2@h"', r'store\.url: no URL of a store; accepted: "memory://"'),
        ("url = 7", r"store\.url: no URL of a store"),
        ('url = "redis://h"\nurl_env = "X"', r"store: has two places; accepted: `url` or `url_env`, not both"),
        ('prefix = "a b"', r"store\.prefix: `a b` is no beginning of keys; accepted: letters"),
        ('prefix = ""', r"store\.prefix: .* is no beginning of keys"),
        ('prefix = "{x}"', r"store\.prefix: .* is no beginning of keys"),
        ("prefix = 1", r"store\.prefix: .* is no beginning of keys"),
        ('timeout = "1ms"', r"store\.timeout: .* is no time to wait for a store; accepted: from 5ms to 5s"),
        ('timeout = "6s"', r"store\.timeout: .* accepted: from 5ms to 5s"),
        ('on_error = "maybe"', r"store\.on_error: "),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f"[store]\n{text}", "gate.toml")
    assert re.search(reason, str(caught.value)), str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_variable_that_holds_no_url_is_refused_without_its_text() -> None:
    config = parse('[store]\nurl_env = "STORE"', "gate.toml")
    with pytest.raises(ConfigError) as caught:
        store(config, {"STORE": "hunter2"})
    assert "store.url_env: holds no URL of a store" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_limit_may_have_another_mode_than_the_rest() -> None:
    text = '[store]\non_error = "deny"\n[limits.a]\nrequests = 1\n[limits.b]\nrequests = 1\non_error = "allow"'
    limits = parse(text, "gate.toml").terms_for("default", "openai").rules
    assert {limit.name: limit.on_error for limit in limits} == {"a": OnError.DENY, "b": OnError.ALLOW}
