"""What a chat request tells of the conversation: nothing a model reads is left out, and results are of their calls."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialect.openai import CHAT, COMPLETIONS, INPUTS
from gateway.policy.call import Call
from gateway.policy.transcript import Defined, Hosted, Made, Returned, Said, Transcript
from gateway.segment import Kind, Role, Trust
from gateway.wire.document import parse
from tests.dialect.laws import MARK, doc
from tests.dialect.replay import document
from tests.dialect.telling import assert_no_text_is_left_out, assert_turns_are_in_order, made, returned, said


def told(*messages: Any, **more: Any) -> Transcript:
    return CHAT.transcript(doc({"model": "m", "messages": list(messages), **more}))


def calling(*calls: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **more}


def call(name: str, identity: str, arguments: str = "{}") -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(text: Any, identity: str | None, **more: Any) -> dict[str, Any]:
    return {"role": "tool", "content": text, "tool_call_id": identity, **more}


def test_turns_stand_in_order_each_with_its_message() -> None:
    turns = told(
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Read x."}, {"type": "file", "file": {"filename": "x"}}]},
        calling(call("read", "c1", '{"path": "x"}'), content="Reading."),
        result("the text of x", "c1"),
    ).turns
    read = Call("read", {"path": "x"}, "c1")
    assert turns == (
        Said("Be brief.", Role.SYSTEM, Trust.OPERATOR),
        Said("Read x.", Role.USER, Trust.PRINCIPAL, message=1),
        Said("x", Role.USER, Trust.UNTRUSTED, Kind.DOCUMENT, 1),
        Said("Reading.", Role.ASSISTANT, Trust.MODEL, message=2),
        Made(read, 2),
        Returned("the text of x", read, 3),
    )


@pytest.mark.parametrize("role", ["developer", "system"])
def test_the_operator_speaks_as_system_or_developer(role: str) -> None:
    assert said(told({"role": role, "content": "x"})) == [("system/operator/text", "x")]


def test_a_role_that_is_not_known_is_not_trusted() -> None:
    assert ("user/untrusted/opaque", "x") in said(told({"role": "critic", "content": "x"}))


class TestResults:
    def test_each_is_put_to_its_call_by_id(self) -> None:
        turns = told(calling(call("f", "a"), call("f", "b")), result("of b", "b"), result("of a", "a"))
        assert returned(turns) == [("of b", "b"), ("of a", "a")]

    def test_an_id_that_is_used_again_means_the_last_call(self) -> None:
        turns = told(
            calling(call("f", "a", '{"n": 1}')), result("1", "a"), calling(call("f", "a", '{"n": 2}')), result("2", "a")
        ).turns
        assert [turn.call.arguments for turn in turns if isinstance(turn, Returned) and turn.call] == [
            {"n": 1},
            {"n": 2},
        ]

    @pytest.mark.parametrize(
        ("given", "of"),
        [("b", None), ("", "a"), (None, "a")],
        ids=["an id of no call", "no id, but a name", "null, but a name"],
    )
    def test_a_name_counts_only_where_there_is_no_id(self, given: str | None, of: str | None) -> None:
        assert returned(told(calling(call("f", "a")), result("x", given, name="f"))) == [("x", of)]

    def test_one_before_any_call_is_of_none(self) -> None:
        assert returned(told(result("x", "a"), calling(call("f", "a")))) == [("x", None)]

    def test_the_older_function_result_goes_by_its_name(self) -> None:
        older = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a": 1}'}}
        turns = told(older, {"role": "function", "name": "f", "content": "x"}).turns
        assert turns[:2] == (Made(Call("f", {"a": 1}), 0), Returned("x", Call("f", {"a": 1}), 1))

    def test_its_parts_are_joined_and_its_name_is_no_part_of_it(self) -> None:
        parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        transcript = told(result(parts, "c", name="f"))
        assert returned(transcript) == [("a\nb", None)]
        assert said(transcript) == [("tool/untrusted/tool_result", "f")]

    def test_one_without_text_is_told_of(self) -> None:
        assert returned(told(result("", "c"))) == [("", None)]


class TestCalls:
    def test_of_every_form(self) -> None:
        calls = [
            call("f", "a", '{"x": "y"}'),
            call("f", "b", "no JSON"),
            {"id": "c", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}},
            {"id": "d", "function": {"name": "f"}},
            {"id": "e", "type": "teleport"},
        ]
        assert made(told(calling(*calls))) == [
            Call("f", {"x": "y"}, "a"),
            Call("f", "no JSON", "b", is_readable=False),
            Call("sql", "SELECT 1", "c"),
            Call("f", {}, "d"),
            Call("teleport", calls[4], "e", is_readable=False),
        ]

    def test_what_stands_in_a_call_beside_them_was_said(self) -> None:
        assert said(told(calling(call("f", "a") | {"x_new": MARK}))) == [("assistant/model/opaque", MARK)]


class TestTools:
    def test_of_every_form(self) -> None:
        schema = {"type": "object", "properties": {"city": {"type": "string"}}}
        transcript = told(
            tools=[
                {"type": "function", "function": {"name": "f", "description": "Does f.", "parameters": schema}},
                {"type": "custom", "custom": {"name": "sql", "description": "Runs it."}},
                {"type": "function", "function": {"name": "bare"}},
                {"function": {"name": "untyped"}},
            ],
            functions=[{"name": "old", "description": "Older.", "parameters": schema}],
        )
        assert transcript.tools == (
            Defined("f", "Does f.", schema, ("tools", 0)),
            Defined("sql", "Runs it.", None, ("tools", 1)),
            Defined("bare", "", None, ("tools", 2)),
            Defined("untyped", "", None, ("tools", 3)),
            Defined("old", "Older.", schema, ("functions", 0)),
        )

    def test_what_stands_in_a_definition_beside_them_was_said(self) -> None:
        tool = {"type": "function", "function": {"name": "f", "x_new": MARK}}
        assert said(told(tools=[tool])) == [("system/untrusted/tool_definition", MARK)]

    @pytest.mark.parametrize("tools", [{}, [1], "f", [["f"]]])
    def test_what_is_no_list_of_tools_defines_none(self, tools: Any) -> None:
        assert told(tools=tools, functions=tools).tools == ()


class TestHosted:
    def test_a_web_search_goes_anywhere(self) -> None:
        assert told(web_search_options={}).hosted == (
            Hosted("web_search", "web_search_options", None, ("web_search_options",)),
        )

    def test_a_source_of_azure_goes_to_its_service(self) -> None:
        source = {"type": "azure_search", "parameters": {"endpoint": "https://Example.search.windows.net"}}
        assert told(data_sources=[source, {"type": "pinecone"}]).hosted == (
            Hosted("azure_search", "azure_search", ("example.search.windows.net",), ("data_sources", 0)),
            Hosted("pinecone", "pinecone", None, ("data_sources", 1)),
        )

    def test_a_tool_of_a_type_that_chat_does_not_have_is_run_by_the_server(self) -> None:
        assert told(tools=[{"type": "web_search"}, {"type": "x_search"}]).hosted == (
            Hosted("web_search", "web_search", None, ("tools", 0)),
            Hosted("x_search", "x_search", None, ("tools", 1)),
        )

    @pytest.mark.parametrize(
        ("url", "hosts"),
        [
            ("https://Example.com/a.png", ("example.com",)),
            ("https://user:pass@example.com:8443/a.png", ("example.com",)),
            ("https://xn--mnchen-3ya.example/", ("xn--mnchen-3ya.example",)),
            ("http://[::1]/a.png", ("::1",)),
            ("gs:///a.png", None),
            ("https://exa mple/", None),
            ("", None),
            (1, None),
        ],
    )
    def test_an_image_is_fetched_from_its_host(self, url: Any, hosts: tuple[str, ...] | None) -> None:
        part = {"type": "image_url", "image_url": {"url": url, "detail": "low"}}
        (hosted,) = told({"role": "user", "content": [part]}).hosted
        assert hosted == Hosted("remote_image", "image_url", hosts, ("messages", 0, "content", 0, "image_url", "url"))

    @pytest.mark.parametrize("url", ["data:image/png;base64,AA==", "DATA:,x", None])
    def test_an_image_that_is_there_is_not_fetched(self, url: Any) -> None:
        part = {"type": "image_url", "image_url": {"url": url}}
        assert told({"role": "user", "content": [part]}).hosted == ()

    def test_extensions_are_fetched_too_wherever_they_stand(self) -> None:
        part = {"type": "video_url", "video_url": {"url": "https://a.example/v"}}
        (hosted,) = told(result([part], "c")).hosted
        assert (hosted.kind, hosted.hosts) == ("remote_file", ("a.example",))

    @pytest.mark.parametrize(
        ("kind", "named"),
        [("video_url", "video"), ("audio_url", "audio"), ("file_url", "file"), ("document_url", "file")],
    )
    def test_what_other_servers_fetch_is_named_so_that_it_is_judged(self, kind: str, named: str) -> None:
        part = {"type": kind, kind: "https://a.example/x"}
        document = doc({"messages": [{"role": "user", "content": [part]}]})
        assert [part.what for part in CHAT.request(document).uninspected] == [named]
        assert [hosted.hosts for hosted in CHAT.hosted(document)] == [("a.example",)]

    @pytest.mark.parametrize("spelt", [b'"image_url"', b'"image\\u005furl"', b'"\\u0069mage_url"'])
    def test_however_the_member_is_spelt(self, spelt: bytes) -> None:
        raw = b'{"messages":[{"role":"user","content":[{"type":"image_url",%s:{"url":"https://a.example"}}]}]}' % spelt
        (hosted,) = CHAT.hosted(parse(raw))
        assert hosted.hosts == ("a.example",)

    def test_an_address_in_the_arguments_of_a_call_is_not_fetched(self) -> None:
        item = {"id": "a", "function": {"name": "f", "arguments": {"image_url": "https://a.example"}}}
        assert told(calling(item)).hosted == ()


class TestWhole:
    def test_a_request_that_holds_the_conversation_is_whole(self) -> None:
        assert told({"role": "user", "content": "x"}).is_whole

    def test_an_answer_that_the_provider_keeps_as_audio_is_not_in_it(self) -> None:
        assert not told({"role": "assistant", "audio": {"id": "a"}}).is_whole

    def test_a_completion_is_all_prompt(self) -> None:
        transcript = COMPLETIONS.transcript(doc({"prompt": ["a", "b"], "suffix": "c"}))
        assert [text for _, text in said(transcript)] == ["a", "b", "c"]
        assert transcript.is_whole

    def test_what_holds_no_conversation_tells_of_none(self) -> None:
        assert INPUTS.transcript(doc({"input": "a"})) == Transcript(is_whole=False)


EVERY_KIND = document("openai_chat", "every_kind", "request.json")


def test_no_text_is_left_out() -> None:
    assert_no_text_is_left_out(CHAT, EVERY_KIND)
    assert_turns_are_in_order(CHAT.transcript(EVERY_KIND))


@st.composite
def disturbed(draw: st.DrawFn, value: Any) -> Any:
    """The value with unknown members, and values of other types in the places of some."""
    if isinstance(value, dict):
        out = {key: draw(disturbed(member)) for key, member in value.items()}
        return out | ({"x_new": MARK} if draw(st.integers(0, 9)) == 0 else {})
    if isinstance(value, list):
        return [draw(disturbed(item)) for item in value]
    return draw(st.sampled_from([None, 7, [], {}, ["x"], MARK])) if draw(st.integers(0, 29)) == 0 else value


@settings(max_examples=100, deadline=None)
@given(disturbed(EVERY_KIND.value))
def test_no_text_is_left_out_of_any_body(value: Any) -> None:
    assert_no_text_is_left_out(CHAT, doc(value))
    assert_turns_are_in_order(CHAT.transcript(doc(value)))


@pytest.mark.parametrize("value", [[], "x", 1, None, {"messages": "x"}, {"messages": ["x", 1]}])
def test_a_body_of_another_form_is_read_as_text(value: Any) -> None:
    assert_no_text_is_left_out(CHAT, doc(value))
