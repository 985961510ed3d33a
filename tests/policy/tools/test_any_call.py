"""No call, however odd, is more than the policy can judge."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.call import Call
from gateway.policy.isolation import Isolation
from gateway.policy.profile import PROFILES
from gateway.policy.tools.toolbox import Allowed
from gateway.policy.transcript import Defined
from gateway.settings import Config
from gateway.verdict import Effect

BOX = Config().toolbox()

# fmt: off
_PIECES = st.sampled_from([
    "/", "\\", "..", "~", "%2e", "%", "://", "https", "C:", "//", "\\\\?\\", "@", "[", "]", ":", "\0", "\ud800", "*",
    "**", "$X", "${", "file:", "etc", ".env", "shadow", "169.254.169.254", "\u202e", "\uff0f", "select ", "rm ", "'",
    "`", " ",
])
# fmt: on
_TEXT = st.one_of(
    st.lists(_PIECES, max_size=8).map("".join), st.text(st.characters(exclude_categories=()), max_size=12)
)
_KEYS = st.sampled_from(
    ["path", "url", "command", "sql", "query", "to", "args", "code", "language", "thing", ".", "", "a.b"]
)
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _TEXT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS | _TEXT, inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(["read_file", "fetch", "Bash", "execute_sql", "send_email", "mcp__a__b", "frob"]) | _TEXT


@given(_NAMES, _JSON, _JSON, st.booleans())
def test_any_call_is_judged(name: str, arguments: Any, schema: Any, is_readable: bool) -> None:
    call = Call(name, arguments, is_readable=is_readable)
    for allowed in (None, Allowed(())):
        ruled = BOX.rule(call, Defined(name, schema=schema), allowed, PROFILES["strict"], Isolation.NONE)
        assert max(reason.effect for reason in ruled.reasons) is Effect.BLOCK
        assert all("\0" not in reason.words for reason in ruled.reasons)
