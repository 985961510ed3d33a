"""Which endpoint of Amazon Bedrock's runtime speaks what, and which requests are signed.

Beside Amazon's own operations it takes those of OpenAI's and of Anthropic's API, at paths of theirs.

Source: the API reference of Bedrock Runtime; "Responses API", "Chat Completions API" and "Anthropic Messages API" in
the user guide of Bedrock; "Authenticating requests (Signature Version 4)" of Amazon S3, which tells both ways to carry
a signature; and `lib/bedrock` of anthropic-sdk-python 2.12 (2026-11).
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from gateway.dialect import meter
from gateway.dialect.anthropic_family import ANTHROPIC
from gateway.dialect.base import Coverage, Fields
from gateway.dialect.bedrock_converse import CONVERSE
from gateway.dialect.bedrock_invoke import INVOKE, is_for_anthropic
from gateway.dialect.bedrock_refusals import Refusals
from gateway.dialect.gemini_family import compatible
from gateway.dialect.plain import Plain
from gateway.dialect.refusals import Shape
from gateway.dialect.route import Doubt, Endpoint, Family, Form, family, route


class _Rest(Refusals, Plain):
    """All that no dialect knows."""


_PLAIN: Final = _Rest(Shape.BEDROCK)
_TEXT: Final = Endpoint(_PLAIN, Coverage.TEXT, meter=meter.UNCOUNTED)
_TEXT_STREAM: Final = replace(_TEXT, answer_form=Form.BYTES)
_CONVERSE: Final = Endpoint(CONVERSE, Coverage.DIALECT, generates=True, meter=meter.CONVERSE)
_CLAUDE: Final = Endpoint(INVOKE, Coverage.DIALECT, generates=True, meter=meter.ANTHROPIC)


def _of_anybody(otherwise: Endpoint) -> Endpoint:
    """For ids that do not tell whose the model is: those of profiles, of deployments, of one's own models."""
    return replace(_CLAUDE, doubt=Doubt(is_for_anthropic, otherwise))


_MODEL: Final = "/model/.+"
_NAMED_CLAUDE: Final = "/model/.*anthropic[.].*"

_PROMPT: Final = "/model/arn:aws[^/]*:bedrock:[^/]*:prompt(?:/|%2[fF])[^/]+"
"""A prompt that Bedrock keeps stands in for a model. It has a system prompt of its own, so a request that brings one is
refused ("Converse" in the API reference): the hierarchy cannot be applied."""


def is_signed(fields: Fields, query: str) -> bool:
    """Whether a request carries a signature, in its fields or, where no credential stands there, in its query.

    One that shows a key beside it is edited: it must not keep the rules out by a signature that nobody looks at.
    """
    shown = [value for name, value in fields if name.lower() == "authorization"]
    return all(value.lstrip().startswith(_SIGNED) for value in shown) if shown else _IN_QUERY in query.lower()


_SIGNED: Final = "AWS4-"
"""How the names of both algorithms begin: `AWS4-HMAC-SHA256`, and `AWS4-ECDSA-P256-SHA256` for several regions."""
_IN_QUERY: Final = "x-amz-signature="

_MESSAGES: Final = ("/v1/messages", "/v1/messages/count_tokens")

BEDROCK: Final[Family] = family(
    "bedrock",
    (
        route("POST", _NAMED_CLAUDE + "/invoke", _CLAUDE),
        route("POST", _NAMED_CLAUDE + "/invoke-with-response-stream", _CLAUDE),
        route("POST", _PROMPT + "/converse(-stream)?", replace(_CONVERSE, generates=False)),
        route("POST", _MODEL + "/converse(-stream)?", _CONVERSE),
        route("POST", _MODEL + "/invoke", _of_anybody(_TEXT)),
        route("POST", _MODEL + "/invoke-with-response-stream", _of_anybody(_TEXT_STREAM)),
        route(
            "*",
            _MODEL + "/invoke-with-bidirectional-stream",
            Endpoint(_PLAIN, Coverage.PASS, request_form=Form.BYTES, answer_form=Form.BYTES, meter=meter.UNCOUNTED),
        ),
        *(route("POST", f"(?:/anthropic)?{path}", ANTHROPIC.endpoint("POST", path)) for path in _MESSAGES),
        *compatible("(?:/openai)?"),
    ),
    _TEXT,
    "authorization",
    "Bearer ",
    is_signed=is_signed,
)
"""Bedrock Runtime. What it answers of models of other publishers to `invoke` is read as text, and their streams are
passed and recorded as not inspected.

An id of a model may hold slashes, as ARNs do, which clients escape."""
