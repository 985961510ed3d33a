"""Answer streams: order, exactness across cuts, redaction, refusal, tool calls."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialect.families import FAMILIES
from gateway.errors import Code, Malformed, OverLimit
from gateway.exchange.gate import Gate
from gateway.exchange.refuse import of
from gateway.exchange.stream import AnswerStream
from gateway.verdict import Effect
from gateway.wire.frames import Framing
from tests.exchange.gates import gate, small

CHAT = FAMILIES["openai"].endpoint("POST", "/v1/chat/completions").dialect
REFUSAL = of(Code.SECRET, "id-1", "no")


def chunk(content: str | None = None, *, index: int = 0, finish: str | None = None, **delta: Any) -> bytes:
    body = {"content": content} if content is not None else {}
    choice = {"index": index, "delta": {**body, **delta}, "finish_reason": finish}
    head = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: " + json.dumps({**head, "choices": [choice]}).encode() + b"\n\n"


def call(arguments: str, *, name: str | None = None, index: int = 0) -> bytes:
    function: dict[str, Any] = {"arguments": arguments} | ({"name": name} if name else {})
    entry: dict[str, Any] = {"index": index, "function": function}
    return chunk(tool_calls=[entry | ({"id": f"call-{index}", "type": "function"} if name else {})])


DONE = b"data: [DONE]\n\n"


def fed(stream: AnswerStream, data: bytes) -> bytes:
    """What leaves after those bytes."""
    stream.feed(data)
    return stream.drain()


def run(events: list[bytes], cuts: list[int] | None = None, by: Gate | None = None) -> tuple[bytes, AnswerStream]:
    """The whole output of a stream, its ending included, when its bytes arrive cut at those offsets."""
    stream = AnswerStream(by or gate(), CHAT, Framing.SSE)
    data = b"".join(events)
    borders = [0, *sorted(cut % (len(data) + 1) for cut in cuts or []), len(data)]
    out = b""
    for start, end in itertools.pairwise(borders):
        out += fed(stream, data[start:end])
        if stream.cut is not None:
            return out + stream.ending(REFUSAL), stream
    stream.finish()
    out += stream.drain()
    return out + (stream.ending(REFUSAL) if stream.cut is not None else b""), stream


def said(out: bytes, index: int = 0) -> str:
    """What a client makes of the content deltas of one choice."""
    text = ""
    for line in out.split(b"\n"):
        if line.startswith(b"data: {"):
            for choice in json.loads(line[6:])["choices"]:
                if choice["index"] == index:
                    text += choice["delta"].get("content") or ""
    return text


def test_what_stands_before_a_cut_is_redacted_though_it_was_decided_with_it() -> None:
    out, stream = run([chunk("badge B-12345"), chunk(" and tok_abcd1234 too")])
    assert said(out) == "badge [BADGE]"
    assert stream.cut is not None


def test_a_stream_without_findings_leaves_as_the_bytes_that_came() -> None:
    events = [b": comment\n\n", chunk("Hello ", role="assistant"), chunk("wor"), chunk("ld", finish="stop"), DONE]
    out, stream = run(events)
    assert out == b"".join(events)
    assert stream.totals.effect is Effect.ALLOW
    assert stream.totals.events == 4


def test_text_is_released_as_soon_as_it_can_match_nothing() -> None:
    stream = AnswerStream(gate(), CHAT, Framing.SSE)
    first = chunk("Hello there, ")
    assert fed(stream, first) == first
    held = chunk("B")
    assert fed(stream, held) == b""
    more = chunk("ye")
    assert fed(stream, more) == held + more


def test_a_value_split_over_events_is_redacted_across_them() -> None:
    events = [chunk("badge B"), chunk("-12"), chunk("34"), chunk(" ok", finish="stop"), DONE]
    out, stream = run(events)
    assert said(out) == "badge [BADGE] ok"
    assert stream.totals.edited
    assert [finding.rule for finding in stream.totals.findings] == ["badge"]
    assert out.count(b"data: {") == 4


def test_a_reported_value_passes_untouched() -> None:
    events = [chunk("mail joe@exa"), chunk("mple.org"), chunk(finish="stop"), DONE]
    out, stream = run(events)
    assert out == b"".join(events)
    assert stream.totals.effect is Effect.REPORT


def test_a_secret_cuts_the_stream_before_its_first_character() -> None:
    events = [chunk("the key is "), chunk("tok_ab"), chunk("cd1234"), chunk(" bye", finish="stop"), DONE]
    out, stream = run(events)
    assert said(out) == "the key is "
    assert stream.cut is not None
    assert stream.cut.code is Code.SECRET
    assert out.endswith(DONE)
    assert b'"finish_reason":"content_filter"' in out.replace(b" ", b"")


def test_the_event_in_which_a_refused_match_begins_does_not_leave_at_all() -> None:
    out, _ = run([chunk("one "), chunk("two tok_ab"), chunk("cd1234 three"), DONE])
    assert said(out) == "one "


def test_monitor_lets_everything_pass_and_says_what_would_be() -> None:
    events = [chunk("tok_abcd"), chunk("1234 and B-1234"), chunk(finish="stop"), DONE]
    out, stream = run(events, by=gate("monitor"))
    assert out == b"".join(events)
    assert (stream.totals.effect, stream.totals.would_be) == (Effect.REPORT, Effect.BLOCK)


def test_findings_are_kept_up_to_a_bound_and_a_refusal_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.exchange.stream.KEPT", 2)
    _, stream = run([chunk("B-1234 x ") for _ in range(5)] + [chunk("tok_abcd1234")])
    assert [reason.rule for reason in stream.totals.reasons] == ["badge", "badge", "token"]


def test_choices_do_not_mix() -> None:
    events = [
        chunk("B-", index=0),
        chunk("tok", index=1),
        chunk("1234 ", index=0),
        chunk("ens", index=1),
        chunk(finish="stop", index=0),
        chunk(finish="stop", index=1),
        DONE,
    ]
    out, stream = run(events)
    assert (said(out, 0), said(out, 1)) == ("[BADGE] ", "tokens")
    assert stream.cut is None


def test_a_tool_call_is_held_until_it_is_complete_and_order_is_kept() -> None:
    stream = AnswerStream(gate(), CHAT, Framing.SSE)
    assert fed(stream, chunk("Let me look. ")) != b""
    assert fed(stream, call("", name="find")) == b""
    assert fed(stream, call('{"q": "x')) == b""
    assert fed(stream, call('y"}')) == b""
    last = chunk(finish="tool_calls")
    out = fed(stream, last)
    assert out.endswith(last)
    assert out.count(b"data: ") == 4


def test_escapes_in_tool_arguments_hide_nothing() -> None:
    events = [call("", name="send"), call('{"to": "\\u0074ok_ab'), call('cd1234"}'), chunk(finish="tool_calls"), DONE]
    out, stream = run(events)
    assert stream.cut is not None
    assert b"send" not in out


def test_a_redacted_tool_call_stays_valid_json_in_its_first_piece() -> None:
    events = [
        call("", name="send"),
        call('{"to": "B-12'),
        call('34", "n": 1.0}'),
        chunk(finish="tool_calls"),
        DONE,
    ]
    out, stream = run(events)
    assert stream.totals.edited
    arguments = ""
    for line in out.split(b"\n"):
        if line.startswith(b"data: {"):
            for choice in json.loads(line[6:])["choices"]:
                for entry in choice["delta"].get("tool_calls", []):
                    arguments += entry["function"].get("arguments", "")
    assert arguments == '{"to": "[BADGE]", "n": 1.0}'


def test_arguments_that_are_no_json_are_judged_as_text() -> None:
    out, stream = run([call("tok_abcd1234", name="f"), chunk(finish="tool_calls"), DONE])
    assert stream.cut is not None
    assert b"tok_" not in out


def test_broken_arguments_hide_nothing_behind_escapes() -> None:
    out, stream = run([call('{"to": "\\u0074ok_abcd1234', name="f"), chunk(finish="length"), DONE])
    assert stream.cut is not None
    assert b"ok_abcd" not in out


def test_arguments_cut_off_by_the_token_limit_pass() -> None:
    events = [call('{"to": "a\\n', name="f"), chunk(finish="length"), DONE]
    assert run(events)[0] == b"".join(events)


def test_ambiguous_arguments_are_refused() -> None:
    with pytest.raises(Malformed, match="twice"):
        run([call('{"a": 1, "a": 2}', name="f"), chunk(finish="tool_calls"), DONE])


def test_a_text_may_not_go_on_after_its_end() -> None:
    with pytest.raises(Malformed):
        run([chunk("a", finish="stop"), chunk("b"), DONE])


def test_garbage_in_a_stream_is_refused_after_what_was_good() -> None:
    stream = AnswerStream(gate(), CHAT, Framing.SSE)
    good = chunk("fine ")
    with pytest.raises(Malformed):
        stream.feed(good + b"data: {nonsense\n\n")
    assert stream.drain() == good
    assert b"content_filter" in stream.ending(REFUSAL)


def test_an_event_over_the_limit_is_refused() -> None:
    with pytest.raises(OverLimit):
        run([chunk("x" * 4000)], by=small(2000))


def test_a_call_that_never_ends_is_refused() -> None:
    events = [call("x" * 100_000, name="f")] + [call("x" * 100_000) for _ in range(3)]
    with pytest.raises(OverLimit, match="longer than"):
        run(events)


def test_a_broken_off_stream_gives_what_it_had() -> None:
    events = [chunk("Hello B-12")]
    out, _ = run(events)
    assert out == b"".join(events)


def test_a_call_that_does_not_end_does_not_fill_the_memory() -> None:
    events = [call("x", name="f"), *(chunk("word " * 10, index=1) for _ in range(40))]
    with pytest.raises(OverLimit, match="waits for"):
        run(events, by=small(2000))


def test_half_an_event_of_an_upstream_that_breaks_off_does_not_leave() -> None:
    stream = AnswerStream(gate(), CHAT, Framing.SSE)
    stream.feed(chunk("Hello B-12") + chunk("never")[:30])
    stream.break_off()
    assert stream.drain() == chunk("Hello B-12")
    assert stream.cut is None


def test_keys_and_numbers_of_a_tool_call_hide_nothing() -> None:
    out, stream = run([call('{"tok_abcd1234": 1}', name="f"), chunk(finish="tool_calls"), DONE])
    assert stream.cut is not None
    assert b"tok_" not in out


def test_the_record_knows_how_much_was_held_and_what_was_used() -> None:
    usage = {"id": "c-1", "object": "chat.completion.chunk", "choices": [], "usage": {"prompt_tokens": 7}}
    events = [chunk("B-12"), chunk(finish="stop"), b"data: " + json.dumps(usage).encode() + b"\n\n", DONE]
    _, stream = run(events)
    assert 1 <= stream.totals.held_max <= 4
    assert stream.totals.usage["input"] == 7


_WORDS = st.sampled_from(
    ["hello ", "B-1234", "B-", "12", "345", " ", "tok_", "abcd1234", "a@b", ".org", "é", "😀", "x", "\\n", '"', "@"]
)
_TEXTS = st.lists(_WORDS, max_size=8)


@st.composite
def _transcripts(draw: st.DrawFn) -> list[bytes]:
    events: list[bytes] = []
    for _ in range(draw(st.integers(1, 3))):
        index = draw(st.integers(0, 1))
        events += [chunk(word, index=index) for word in draw(_TEXTS)]
        if draw(st.booleans()):
            pieces = draw(_TEXTS)
            events.append(call('{"q": "', name="f", index=draw(st.integers(0, 1))))
            events += [call(json.dumps(piece)[1:-1], index=0) for piece in pieces]
    return [*events, chunk(finish="stop"), chunk(finish="stop", index=1), DONE]


@settings(deadline=None, max_examples=150)
@given(_transcripts(), st.lists(st.integers(0, 10_000), max_size=12))
def test_the_cut_of_the_network_does_not_matter(events: list[bytes], cuts: list[int]) -> None:
    whole, reference = run(events)
    out, stream = run(events, cuts)
    assert out == whole
    assert stream.totals.findings == reference.totals.findings
    assert (stream.cut is None) == (reference.cut is None)


@settings(deadline=None, max_examples=150)
@given(_TEXTS, _TEXTS)
def test_how_the_provider_divides_a_text_does_not_matter(one: list[str], other: list[str]) -> None:
    text = "".join(one + other)
    pieces = [chunk(word) for word in [*one, *other]]
    end = [chunk(finish="stop"), DONE]
    divided, stream = run(pieces + end)
    whole, reference = run([chunk(text), *end])
    if reference.cut is None:
        assert said(divided) == said(whole)
        assert "tok_abcd1234" not in said(divided)
    else:
        assert stream.cut is not None
        assert said(whole) == ""
        assert "tok_abcd1234" not in said(divided)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(["plain ", "words", " é", "\n", "12"]), max_size=10), st.lists(st.integers(0, 9999)))
def test_no_finding_means_the_same_bytes(words: list[str], cuts: list[int]) -> None:
    events = [*(chunk(word) for word in words), chunk(finish="stop"), DONE]
    out, stream = run(events, cuts)
    assert out == b"".join(events)
    assert stream.totals.effect is Effect.ALLOW


def stopping(tool: str) -> Gate:
    return replace(gate("monitor"), stopped_tools=lambda: {tool})


RESPONSES = FAMILIES["openai"].endpoint("POST", "/v1/responses").dialect


@pytest.mark.parametrize("kind", ["shell_call", "local_shell_call", "apply_patch_call", "computer_call"])
@pytest.mark.parametrize("event", ["response.output_item.added", "response.output_item.done"])
def test_a_stopped_tool_is_known_by_the_type_of_its_call_where_that_is_its_only_name(kind: str, event: str) -> None:
    item = {"type": kind, "id": "i", "call_id": "c", "status": "completed"}
    data = b"data: " + json.dumps({"type": event, "output_index": 0, "item": item}).encode() + b"\n\n"
    for tool in ("shell", "local_shell", "apply_patch", "computer"):
        stream = AnswerStream(stopping(tool), RESPONSES, Framing.SSE)
        stream.feed(data)
        is_stopped = kind == f"{tool}_call"
        assert (stream.cut is not None, stream.drain()) == (is_stopped, b"" if is_stopped else data)


def test_the_name_of_a_stopped_tool_is_known_in_pieces() -> None:
    stream = AnswerStream(stopping("send_mail"), CHAT, Framing.SSE)
    stream.feed(call("", name="send_") + call("{}", name="mail") + chunk(finish="tool_calls"))
    assert stream.cut is not None
    assert b"mail" not in stream.drain()
