"""Artifacts that grow over the events of a stream."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialect.a2a import A2aHttp, A2aRpc
from gateway.dialect.base import EventReading, StreamReader
from gateway.errors import Malformed
from gateway.wire.frames import Framing
from tests.dialect.laws import doc, joined, play, wholes


def http() -> StreamReader:
    return A2aHttp().stream(Framing.SSE)


def chunk(*said: str, id: str = "a", task: str = "t", **flags: Any) -> dict[str, Any]:
    parts = [{"text": text} for text in said]
    return {"artifactUpdate": {"taskId": task, "artifact": {"artifactId": id, "parts": parts}, **flags}}


def status(state: Any, **flags: Any) -> dict[str, Any]:
    return {"statusUpdate": {"taskId": "t", "status": {"state": state}, **flags}}


def task(state: str, *said: str) -> dict[str, Any]:
    parts = [{"text": text} for text in said]
    return {"task": {"id": "t", "status": {"state": state}, "artifacts": [{"artifactId": "a", "parts": parts}]}}


def closed(readings: list[EventReading]) -> list[list[Any]]:
    return [list(reading.closes) for reading in readings]


MORE: dict[str, Any] = {"append": True}
LAST: dict[str, Any] = {"append": True, "lastChunk": True}


def test_chunks_of_an_artifact_are_one_text() -> None:
    readings = play(http(), [chunk("a"), chunk("b", **MORE), chunk("c", **LAST)])
    assert joined(readings) == {1: "abc"}
    assert closed(readings) == [[], [], [1]]


def test_so_they_are_in_the_other_binding_and_in_the_version_before() -> None:
    events = [chunk("a"), chunk("b", **LAST)]
    bare = [event["artifactUpdate"] for event in events]
    for told in (events, bare):
        answers = [{"jsonrpc": "2.0", "id": 1, "result": one} for one in told]
        assert joined(play(A2aRpc().stream(Framing.SSE), answers)) == {1: "ab"}
    assert joined(play(http(), bare)) == {1: "ab"}


def test_so_they_are_in_the_protos_spelling() -> None:
    said = {
        "task_id": "t",
        "artifact": {"artifact_id": "a", "parts": [{"text": "x"}]},
        "append": True,
        "last_chunk": True,
    }
    readings = play(http(), [chunk("a"), {"artifact_update": said}])
    assert joined(readings) == {1: "ax"}
    assert closed(readings) == [[], [1]]


def test_an_artifact_in_one_event_is_complete_at_once() -> None:
    assert closed(play(http(), [chunk("a", "b", lastChunk=True)])) == [[1]]


def test_artifacts_grow_side_by_side() -> None:
    events = [chunk("a"), chunk("1", id="b"), chunk("x", task="u"), chunk("b", **LAST), chunk("2", id="b", **MORE)]
    readings = play(http(), events)
    assert joined(readings) == {1: "ab", 2: "12", 3: "x"}
    assert closed(readings)[3] == [1]


def test_a_chunk_that_does_not_append_begins_anew() -> None:
    readings = play(http(), [chunk("a"), chunk("b"), chunk("c", **MORE)])
    assert joined(readings) == {1: "a", 2: "bc"}
    assert closed(readings) == [[], [1], []]


def test_a_chunk_without_text_ends_an_artifact_too() -> None:
    readings = play(http(), [chunk("a"), chunk(**MORE), chunk(**LAST), chunk(id="b", lastChunk=True)])
    assert closed(readings) == [[], [], [1], []]


@pytest.mark.parametrize(
    "state", ["completed", "TASK_STATE_COMPLETED", "input-required", "TASK_STATE_AUTH_REQUIRED", 3]
)
def test_a_task_that_is_over_or_waits_ends_its_artifacts(state: Any) -> None:
    assert closed(play(http(), [chunk("a"), status(state)])) == [[], [1]]


@pytest.mark.parametrize("state", ["working", "TASK_STATE_SUBMITTED", 2, None, [], {}])
def test_one_that_goes_on_does_not(state: Any) -> None:
    assert closed(play(http(), [chunk("a"), status(state)])) == [[], []]


def test_nor_does_a_final_event_need_a_state() -> None:
    assert closed(play(http(), [chunk("a"), status("working", final=True)])) == [[], [1]]


def test_the_artifacts_of_a_task_go_on() -> None:
    readings = play(http(), [task("working", "a"), chunk("b", **MORE), task("completed", "ab")])
    assert joined(readings) == {1: "ab", 2: "ab"}
    assert closed(readings) == [[], [], [1, 2]]


def test_the_parts_of_a_message_are_one_text_and_complete() -> None:
    readings = play(
        http(), [{"message": {"parts": [{"text": "a"}, {"text": "b"}]}}, {"message": {"parts": [{"text": "c"}]}}]
    )
    assert joined(readings) == {1: "ab"}
    assert wholes(readings) == ["c"]
    assert closed(readings) == [[1], []]
    assert all(delta.apart for delta in readings[0].deltas)


@pytest.mark.parametrize("end", [chunk("b", **LAST), status("completed"), task("failed", "x")])
def test_an_artifact_may_not_go_on_after_its_end(end: dict[str, Any]) -> None:
    reader = http()
    play(reader, [chunk("a"), end])
    with pytest.raises(Malformed, match="after its end"):
        play(reader, [chunk("c", **MORE)])


def test_but_it_may_begin_anew() -> None:
    readings = play(http(), [chunk("a", lastChunk=True), chunk("b"), chunk("c", **LAST)])
    assert joined(readings) == {1: "a", 2: "bc"}


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"ArtifactUpdate": {}}, "`artifactUpdate`"),
        ({"artifactUpdate": {"Artifact": {}}}, "`artifact`"),
        ({"artifact": {"Parts": []}}, "`parts`"),
        ({"artifact": {"parts": [{"Text": "x"}]}}, "`text`"),
        ({"artifact": {}, "Append": True}, "`append`"),
        ({"artifact": {}, "append": "true"}, "neither true nor false"),
        ({"artifact": {"artifactId": "a", "artifact_id": "b"}}, "both spellings"),
    ],
)
def test_what_readers_could_join_otherwise_is_refused(event: dict[str, Any], words: str) -> None:
    with pytest.raises(Malformed, match=words):
        play(http(), [event])


@pytest.mark.parametrize(
    "event",
    [
        {"artifact": None},
        {"artifacts": [None]},
        {"artifact": {"parts": {}}},
        {"artifact": {"parts": [1, {"text": 1}, {"text": ""}]}},
        {"task": 1},
        {},
        [],
    ],
)
def test_what_is_of_another_type_is_no_piece(event: Any) -> None:
    document = doc(event)
    assert all(delta.whole for delta in http().read(None, document, document.raw).deltas)


def test_an_event_without_data_is_let_through_and_one_with_words_is_not() -> None:
    assert http().read(None, None, b" ") == EventReading()
    with pytest.raises(Malformed, match="not JSON"):
        http().read(None, None, b"[DONE]")
