"""How long a call may take, and what its result is held to."""

from __future__ import annotations

import pytest

from gateway.detect.json_schema import JsonSchema
from gateway.policy.tools.match import match
from gateway.policy.tools.tool import TIMEOUT, ResultPolicy, Tool
from gateway.policy.tools.wrapper import Became, Result, Terms, terms_of

CITY = JsonSchema({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}})


def tool(name: str, timeout: float = TIMEOUT, result: ResultPolicy | None = None) -> Tool:
    return Tool(name, (match(name),), timeout=timeout, result=result or ResultPolicy())


def became(policy: ResultPolicy, result: Result) -> Became | None:
    fault = Terms(results=(("t", policy),)).fault(result)
    return fault[0] if fault is not None else None


def test_a_tool_that_no_table_means_has_the_usual_time() -> None:
    assert terms_of(()) == Terms(TIMEOUT)


def test_of_several_tables_the_shortest_time_holds_and_each_result() -> None:
    policy = ResultPolicy(max_size=5)
    terms = terms_of([tool("a", 60.0), tool("b", 5.0, policy)])
    assert terms == Terms(5.0, (("b", policy),))


@pytest.mark.parametrize(("size", "expected"), [(10, None), (11, Became.TOO_LARGE)])
def test_a_result_may_be_as_large_as_it_may(size: int, expected: Became | None) -> None:
    assert became(ResultPolicy(max_size=10), Result(size)) is expected


def test_the_words_say_by_how_much_and_where() -> None:
    fault = Terms(results=(("web", ResultPolicy(max_size=10)),)).fault(Result(11))
    assert fault == (Became.TOO_LARGE, "the result has 11 bytes, and [tools.web.result] allows 10")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Result(1, structure={"city": "Rome"}, has_structure=True), None),
        (Result(1, structure={"town": "Rome"}, has_structure=True), Became.UNFIT),
        (Result(1, ('{"town": 1}',), {"city": "Rome"}, has_structure=True), None),
        (Result(1, ('{"city": "Rome"}',)), None),
        (Result(1, ('{"city": "Rome"}', '{"city": 1}')), Became.UNFIT),
        (Result(1, ("Rome",)), Became.UNFIT),
        (Result(1), Became.UNFIT),
        (Result(1, ("no such city",), is_error=True), None),
    ],
)
def test_a_result_is_held_to_its_schema(result: Result, expected: Became | None) -> None:
    assert became(ResultPolicy(schema=CITY), result) is expected


def test_a_text_that_is_no_json_is_a_text() -> None:
    assert became(ResultPolicy(schema=JsonSchema({"type": "string"})), Result(1, ("Rome",))) is None
