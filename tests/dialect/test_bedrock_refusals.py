"""What Amazon's own client makes of a refusal: the error that it raises, and whether it tries again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from gateway.dialect.bedrock_family import BEDROCK
from gateway.dialect.bedrock_invoke import INVOKE
from gateway.errors import Code
from gateway.exchange import refuse
from gateway.verdict import Refusal

DIALECTS = [INVOKE, BEDROCK.fallback.dialect]

FINAL = [
    (Code.SECRET, 400, "ValidationException"),
    (Code.TOOL, 400, "ValidationException"),
    (Code.UNREADABLE, 400, "ValidationException"),
    (Code.IDENTITY, 401, "AccessDeniedException"),
    (Code.EGRESS, 403, "AccessDeniedException"),
    (Code.STOPPED, 403, "AccessDeniedException"),
    (Code.NOT_FOUND, 404, "ResourceNotFoundException"),
    (Code.TOO_LARGE, 413, "ValidationException"),
    (Code.RATE, 400, "ServiceQuotaExceededException"),
]
PASSING = [
    (Code.INTERNAL, 500, "InternalServerException"),
    (Code.UPSTREAM, 502, "ServiceUnavailableException"),
    (Code.STORE, 503, "ServiceUnavailableException"),
    (Code.TIMEOUT, 504, "ModelTimeoutException"),
]


class _Body:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def stream(self) -> Iterator[bytes]:
        yield self.data

    def read(self) -> bytes:
        return self.data


def raised(refusal: Refusal, mode: str, dialect: Any) -> tuple[Any, int]:
    """What boto3 raises for a refusal, and how often it asked."""
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        aws_access_key_id="AKID",
        aws_secret_access_key="secret",
        config=Config(retries={"mode": mode, "total_max_attempts": 2}),
    )
    asked = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        asked.append(request)
        headers = dict((*refuse.headers(refusal), *dialect.refusal_fields(refusal)))
        return AWSResponse(request.url, dialect.status(refusal), headers, _Body(dialect.refusal(refusal)))

    client.meta.events.register("before-send", answer)
    with pytest.raises(ClientError) as caught:
        client.converse(modelId="m", messages=[{"role": "user", "content": [{"text": "x"}]}])
    name = type(caught.value).__name__
    assert name == caught.value.response["Error"]["Code"]
    return caught.value, len(asked)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("mode", ["legacy", "standard"])
@pytest.mark.parametrize(("code", "status", "name"), FINAL)
def test_a_final_refusal_is_raised_as_a_typed_error_and_not_tried_again(
    code: Code, status: int, name: str, mode: str, dialect: Any
) -> None:
    error, asked = raised(refuse.of(code, "lg-1", "why not", rules=("r1",)), mode, dialect)
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert (error.response["Error"], asked) == ({"Message": "why not", "Code": name}, 1)


@pytest.mark.parametrize(("code", "status", "name"), PASSING)
def test_what_passes_may_be_tried_again(code: Code, status: int, name: str) -> None:
    error, asked = raised(refuse.of(code, "lg-1", "why not"), "standard", INVOKE)
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert (error.response["Error"]["Code"], asked) == (name, 2)


@pytest.mark.parametrize(("wait", "name", "times"), [(1, "ThrottlingException", 2), (3600, FINAL[-1][2], 1)])
def test_a_limit_is_waited_for_where_that_is_not_long(wait: int, name: str, times: int) -> None:
    error, asked = raised(refuse.of(Code.RATE, "lg-1", "slow", retry_after=wait), "standard", INVOKE)
    assert (error.response["Error"]["Code"], asked) == (name, times)


def test_the_body_names_code_rules_and_id() -> None:
    body = json.loads(INVOKE.refusal(refuse.of(Code.PII, "lg-1", "why not", rules=("r1", "r2"))))
    assert body == {"message": "why not", "reason": "pii_blocked", "request_id": "lg-1", "rules": ["r1", "r2"]}
