from __future__ import annotations

import pytest
from aiohttp import (
    ClientConnectorError,
    ClientPayloadError,
    ClientResponseError,
    RequestInfo,
    ServerDisconnectedError,
    web,
)
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from gateway.exchange.events import Fault
from gateway.serve.upstream import WRITE_SIZE, detail_of, fault_of
from tests.serve.loopback import ask, through
from tests.serve.test_base_url import Echo, request

URL_WITH_KEY = URL("http://host/x?key=secret")


@pytest.mark.parametrize(
    ("failure", "fault"),
    [
        (TimeoutError(), Fault.TIMEOUT),
        (ServerDisconnectedError(), Fault.BROKEN),
        (ClientPayloadError("short"), Fault.BROKEN),
        (ConnectionResetError(), Fault.BROKEN),
    ],
)
def test_what_kind_of_failure_it_is(failure: Exception, fault: Fault) -> None:
    assert fault_of(failure) is fault


def test_a_connection_that_cannot_be_made_is_unreachable() -> None:
    assert fault_of(ClientConnectorError.__new__(ClientConnectorError)) is Fault.UNREACHABLE


def test_the_detail_of_a_failure_holds_no_query() -> None:
    request_info = RequestInfo(URL_WITH_KEY, "GET", CIMultiDictProxy(CIMultiDict()), URL_WITH_KEY)
    failure = ClientResponseError(request_info, (), status=400, message="bad head")
    assert "secret" in str(failure)
    assert detail_of(failure) == "ClientResponseError: bad head"
    assert detail_of(ValueError("http://host/x?key=secret")) == "ValueError"


@pytest.mark.parametrize("size", [WRITE_SIZE, 3 * WRITE_SIZE + 1])
async def test_a_collected_body_of_any_size_arrives_whole(size: int) -> None:
    body = b'"' + b"x" * (size - 2) + b'"'
    echo = Echo(web.Response(text="{}", content_type="application/json"))
    async with through(echo) as running:
        got = await ask(running.address, request("POST /up/read/x", "Content-Type: application/json", body=body))
    assert (got.status, echo.seen[0][3] == body, echo.fields["content-length"]) == (200, True, str(size))
