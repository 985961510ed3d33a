"""Methods that a request asks for beside its own, wherever frameworks look for them."""

from __future__ import annotations

import pytest

from gateway.policy.egress.override import overrides


@pytest.mark.parametrize(
    ("fields", "query", "found"),
    [
        ((), "", []),
        ((("X-HTTP-Method-Override", "DELETE"),), "", [("X-HTTP-Method-Override", "DELETE")]),
        ((("x-method-override", " put "),), "", [("x-method-override", "PUT")]),
        ((("X_HTTP_Method", "PATCH"),), "", [("X_HTTP_Method", "PATCH")]),
        ((("X-HTTP-Method", "GET, DELETE,"),), "", [("X-HTTP-Method", "GET"), ("X-HTTP-Method", "DELETE")]),
        ((("X-Method", "DELETE"),), "method=DELETE", []),
        ((), "a=b&_method=delete", [("?_method", "DELETE")]),
        ((), "%5Fmethod=d%65lete&_METHOD=put", [("?_method", "DELETE"), ("?_METHOD", "PUT")]),
        ((), "_method=", []),
    ],
)
def test_what_is_asked_for(fields: tuple[tuple[str, str], ...], query: str, found: list[tuple[str, str]]) -> None:
    assert list(overrides(fields, query)) == found
