"""How Bedrock's runtime refuses: an exception of its API, named in a field of the answer.

Amazon's clients raise the error that the field names, whatever the status, and try again by the status alone: they know
no `x-should-retry`. So what is final has a status at which they give up.

Source: "Errors" of the operations in the API reference of Bedrock Runtime, and `retries/standard.py`, `retryhandler.py`
and `parsers.py` of botocore 1.44 (2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.dialect import refusals
from gateway.dialect.base import Fields
from gateway.dialect.refusals import Shape, error_type, is_soon
from gateway.errors import Code
from gateway.verdict import Refusal
from gateway.wire.frames import Framing

_FIELD: Final = "x-amzn-ErrorType"

_EXCEPTIONS: Final[Mapping[int, str]] = {
    400: "ValidationException",
    401: "AccessDeniedException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    500: "InternalServerException",
    502: "ServiceUnavailableException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
}
"""By HTTP status. Ours are other statuses here and there; clients go by the name."""

_QUOTA: Final = "ServiceQuotaExceededException"
"""What is said where no waiting helps, or for long."""


class Refusals:
    """What the dialects of Bedrock have in common."""

    framings: frozenset[Framing] = frozenset({Framing.AMAZON})

    def refusal(self, refusal: Refusal) -> bytes:
        return refusals.body(Shape.BEDROCK, refusal)

    def status(self, refusal: Refusal) -> int:
        """The status by which a client tries again only where it may."""
        if _is_over(refusal):
            return 400
        return 403 if refusal.code is Code.STOPPED else refusal.status

    def refusal_fields(self, refusal: Refusal) -> Fields:
        name = _QUOTA if _is_over(refusal) else error_type(_EXCEPTIONS, self.status(refusal))
        return ((_FIELD, name),)


def _is_over(refusal: Refusal) -> bool:
    return refusal.code is Code.RATE and not is_soon(refusal)
