"""Which HTTP requests are calls of a tool, and what in their paths is an argument."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.policy.tools.match import match
from gateway.policy.tools.requests import request_match
from gateway.policy.tools.tool import Tool
from gateway.policy.tools.toolbox import Toolbox


def taken(pattern: str, method: str, place: str, path: str) -> dict[str, Any] | None:
    return request_match(pattern).arguments(frozenset(method.split("|")), frozenset((place, "")), path)


@pytest.mark.parametrize(
    ("pattern", "request_line", "arguments"),
    [
        ("POST api.example.com/v1/charges", "POST api.example.com /v1/charges", {}),
        ("POST api.example.com/v1/charges", "POST API.Example.com /v1/charges/", {}),
        ("POST api.example.com/v1/charges", "POST api.example.com /V1/Charges", {}),
        ("DELETE crm/users/{id}", "DELETE crm /users/7", {"id": "7"}),
        ("DELETE crm/{kind}/{id}", "DELETE crm /Users/Ann", {"kind": "Users", "id": "Ann"}),
        ("PUT|PATCH crm/users/{id}", "PATCH crm /users/7", {"id": "7"}),
        ("DELETE crm/users/{id}", "POST|DELETE crm /users/7", {"id": "7"}),
        ("* *.example.com/admin/**", "GET api.example.com /admin/a/b", {}),
        ("* *.example.com/admin/**", "GET api.example.com /admin", {}),
        ("GET crm/files/*", "GET crm /files/a.txt", {}),
        ("GET crm/", "GET crm /", {}),
    ],
)
def test_a_request_that_is_meant(pattern: str, request_line: str, arguments: dict[str, Any]) -> None:
    assert taken(pattern, *request_line.split()) == arguments


@pytest.mark.parametrize(
    ("pattern", "request_line"),
    [
        ("POST api.example.com/v1/charges", "GET api.example.com /v1/charges"),
        ("POST api.example.com/v1/charges", "POST other.example.com /v1/charges"),
        ("POST api.example.com/v1/charges", "POST api.example.com /v1/charges/7"),
        ("DELETE crm/users/{id}", "DELETE crm /users"),
        ("DELETE crm/users/{id}", "DELETE crm /people/7"),
        ("* *.example.com/admin/**", "GET example.com /admin/a"),
        ("GET crm/", "GET crm /a"),
    ],
)
def test_a_request_that_is_not(pattern: str, request_line: str) -> None:
    assert taken(pattern, *request_line.split()) is None


@pytest.mark.parametrize(
    "text", ["", "POST", "post crm/a", "POST crm", "POST /a", "GET crm/**/a", "GET crm/{a b}", "GET crm/a{b}"]
)
def test_what_means_no_request_is_told_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="means no request; accepted: "):
        request_match(text)


def test_a_toolbox_tells_every_tool_that_a_request_calls() -> None:
    tools = [
        Tool("charge", (match("charge"),), requests=(request_match("POST pay/charges"),)),
        Tool("pay", (match("pay"),), requests=(request_match("* pay/**"),)),
        Tool("other", (match("other"),)),
    ]
    found = Toolbox(tools).requested(frozenset({"POST"}), frozenset({"pay"}), "/charges")
    assert found == (("charge", {}), ("pay", {}))
