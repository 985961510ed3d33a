"""What leaves with a request before its body is judged by where it goes, whatever was judged before it."""

from __future__ import annotations

from gateway.dialect.families import FAMILIES
from gateway.exchange.target import judge_target
from gateway.verdict import Effect
from tests.exchange.gates import gate

TOKEN = "tok_" + "abcd1234"
TARGET = f"/v1/models?key={TOKEN}"


def test_a_key_that_one_api_takes_in_its_query_is_no_key_to_another_that_gets_the_same_target() -> None:
    one = gate()
    assert judge_target(one, FAMILIES["gemini"], "", TARGET, ()).total.effect is Effect.ALLOW
    found = judge_target(one, FAMILIES["openai"], "", TARGET, ()).total
    assert found.effect is Effect.BLOCK
    assert [finding.rule for finding in found.findings] == ["token"]


def test_a_key_in_the_query_stays_one_after_another_api_has_refused_the_same_target() -> None:
    one = gate()
    assert judge_target(one, FAMILIES["openai"], "", TARGET, ()).total.effect is Effect.BLOCK
    assert judge_target(one, FAMILIES["gemini"], "", TARGET, ()).total.effect is Effect.ALLOW


def test_each_part_of_a_head_is_judged_and_what_has_something_in_it_is_not_recorded() -> None:
    one, plain = gate(), FAMILIES["http"]
    clean = judge_target(one, plain, "a.test", "/x?y=z", (("Accept", "text/html"),))
    assert (clean.total.effect, clean.host, clean.path) == (Effect.ALLOW, "a.test", "/x")
    for host, target, fields in (
        (f"{TOKEN}.test", "/", ()),
        ("", f"/{TOKEN}", ()),
        ("", f"/?q={TOKEN}", ()),
        ("", "/", (("X-Note", TOKEN),)),
        ("", "/", ((TOKEN, "1"),)),
    ):
        head = judge_target(one, plain, host, target, fields)
        assert head.total.effect is Effect.BLOCK
        assert TOKEN not in head.host + head.path


def test_a_credential_for_the_host_itself_is_not_read() -> None:
    fields = tuple(
        (name, TOKEN) for name in ("Authorization", "Cookie", "X-Api-Key", "PRIVATE-TOKEN", "Idempotency-Key")
    )
    assert judge_target(gate(), FAMILIES["http"], "a.test", "/", fields).total.effect is Effect.ALLOW


def test_a_field_that_spells_a_host_is_not_remembered_as_that_host() -> None:
    one, plain = gate(), FAMILIES["http"]
    host = "x" + "0123456789abcdef" * 3 + "." + "fedcba9876543210" * 3 + "." + "0011223344556677" * 3 + ".a.test"
    before = judge_target(one, plain, "", "/", ((host, "/"),))
    assert before.total.effect < Effect.BLOCK
    assert judge_target(one, plain, host, "/", ()).total.effect is Effect.BLOCK


def test_a_national_number_in_a_path_is_refused_since_a_path_cannot_be_edited() -> None:
    assert judge_target(gate(), FAMILIES["http"], "", "/B-1234", ()).total.effect is Effect.BLOCK


def test_what_ordinary_clients_send_passes() -> None:
    fields = (
        ("User-Agent", "OpenAI/Python 3.54.0"),
        ("X-Stainless-Runtime-Version", "3.12.1"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("If-None-Match", '"33a64df551425fcc55e4d42a148795d9f25f89d4"'),
        ("Idempotency-Key", "stainless-python-retry-2f1acc6c-3f64-4f7e-9e0d-0a3f3c0f2d1b"),
        ("Referer", "https://example.com/a?b=c#d"),
    )
    target = "/v1/files/file-abc123?after=eyJpZCI6MTIzNDU2Nzg5LCJkIjoiMjAyNiJ9&limit=20"
    assert judge_target(gate(), FAMILIES["openai"], "api.openai.com", target, fields).total.effect < Effect.ASK


def test_a_head_that_is_known_to_be_clean_is_judged_and_recorded_as_before() -> None:
    one, plain = gate(), FAMILIES["http"]
    fields = (("Accept", "text/html"), ("X-Note", "hello"))
    first, second = (judge_target(one, plain, "a.test", "/x?y=z", fields) for _ in range(2))
    assert (second.host, second.path) == (first.host, first.path) == ("a.test", "/x")
    assert second.total.outcome == first.total.outcome


def test_a_clean_head_vouches_for_no_other_that_holds_the_same_words() -> None:
    plain, fields = FAMILIES["http"], (("Authorization", TOKEN), ("X", "1"))
    for host, target, others in (
        ("a.test", "/", ((f"Authorization\n{TOKEN}", "X\n1"),)),
        ("a.test", "/", (("X", "1"), ("Note", TOKEN))),
        ("a.test", f"/?Authorization={TOKEN}", ()),
        ("a.test", f"/\nAuthorization\n{TOKEN}\nX\n1", ()),
    ):
        one = gate()
        assert judge_target(one, plain, "a.test", "/", fields).total.effect is Effect.ALLOW
        assert judge_target(one, plain, host, target, others).total.effect is Effect.BLOCK


def test_what_was_found_in_a_head_is_found_in_it_again() -> None:
    one, plain = gate(), FAMILIES["http"]
    heads = [judge_target(one, plain, "a.test", f"/?q={TOKEN}", ()) for _ in range(2)]
    assert [head.total.effect for head in heads] == [Effect.BLOCK, Effect.BLOCK]
    assert [head.path for head in heads] == ["[withheld]", "[withheld]"]
