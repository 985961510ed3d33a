"""Values held to the schemas of operators."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.detect.json_schema import JsonSchema

ORDER = {
    "type": "object",
    "properties": {"to": {"type": "array", "items": {"type": "string", "maxLength": 3}}, "n": {"enum": [1, 2]}},
    "required": ["to"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "value", "fault"),
    [
        (ORDER, {"to": ["abc"], "n": 1}, None),
        (ORDER, {"to": ["abcd"]}, "breaks `maxLength` of the schema at `to.0`"),
        (ORDER, {}, "breaks `required` of the schema"),
        (ORDER, {"to": [], "x": 1}, "breaks `additionalProperties` of the schema"),
        (ORDER, [], "breaks `type` of the schema"),
        ({"additionalProperties": False}, {"https://evil.test": 1}, "breaks `additionalProperties` of the schema"),
        ({"additionalProperties": {"type": "null"}}, {"a b": 1}, "breaks `type` of the schema at `…`"),
        ({"pattern": "^a+$"}, "aa", None),
        ({"pattern": "^a+$"}, "ab", "breaks `pattern` of the schema"),
        ({"pattern": "^(a|aa)+$"}, "a" * 5000 + "b", "breaks `pattern` of the schema"),
        ({"pattern": "a"}, 5, None),
        ({"patternProperties": {"^x": {"type": "null"}}}, {"x1": 1, "y": 1}, "breaks `type` of the schema at `x1`"),
        ({"patternProperties": {"^x": {"type": "null"}}}, {"y": 1}, None),
        ({"patternProperties": {"^x": {"type": "null"}}}, [], None),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}}, None, None),
        (
            {"$ref": "https://schemas.example/a.json"},
            1,
            "cannot be held to the schema, which refers to what is not there or turns round",
        ),
        ({"$ref": "#"}, 1, "cannot be held to the schema, which refers to what is not there or turns round"),
        (False, 1, "breaks `None` of the schema"),
        ({"format": "email"}, "no address", None),
    ],
)
def test_values_are_held_to_a_schema(schema: Any, value: Any, fault: str | None) -> None:
    assert JsonSchema(schema).fault(value) == fault


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "text"}, "is no JSON Schema: `type` is wrong"),
        ({"properties": {"a": {"minLength": -1}}}, "is no JSON Schema: `properties.a.minLength` is wrong"),
        ({"allOf": [{"pattern": "(a"}]}, "is no regular expression"),
        ({"patternProperties": {"(a": {}}}, "is no regular expression"),
        (7, "is no JSON Schema"),
    ],
)
def test_a_schema_is_checked_as_it_is_loaded(schema: Any, why: str) -> None:
    with pytest.raises(ValueError) as caught:
        JsonSchema(schema)
    assert str(caught.value).startswith(why)
