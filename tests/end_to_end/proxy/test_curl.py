"""curl by proxy, as `lockgate env` sets it up: what HTTP/1.1 has, through CONNECT and TLS, and in the clear."""

from __future__ import annotations

import asyncio
import json
import ssl

import pytest

from tests.end_to_end.proxy.proxied import HOST, Ended, Proxied, told
from tests.end_to_end.running import CARD, SECRET
from tests.fakes.web_site import PIECE, WebSite

CURL = ("curl", "-q", "--silent", "--show-error", "--max-time", "30")


@pytest.fixture(params=["https", "http", "http-tunnelled"])
def way(request: pytest.FixtureRequest) -> str:
    """How a request comes: in a tunnel with TLS, in absolute form, or in a tunnel without TLS."""
    return str(request.param)


class Curl:
    """curl, on one way to one site."""

    def __init__(self, through: Proxied, site: WebSite, way: str) -> None:
        self.through, self.site = through, site
        self._options = ("--proxytunnel",) if way == "http-tunnelled" else ()
        self._scheme = "https" if way == "https" else "http"

    def url(self, path: str) -> str:
        return f"{self._scheme}://{HOST}:{self.site.port}{path}"

    async def __call__(self, path: str, *options: str, stdin: bytes = b"") -> Ended:
        command = (*CURL, *self._options, *options, self.url(path))
        return await told(command, self.through.environ, stdin)


@pytest.fixture
def curl(way: str, secure: WebSite, plain: WebSite, through: Proxied) -> Curl:
    return Curl(through, secure if way == "https" else plain, way)


async def test_get(curl: Curl) -> None:
    done = await curl("/hello", "--header", "X-Own: 1")
    assert (done.code, done.out, done.err) == (0, b"hello", "")
    (seen,) = curl.site.requests
    assert (seen.method, seen.target, seen.header("X-Own")) == ("GET", "/hello", "1")
    assert seen.header("Host") == f"{HOST}:{curl.site.port}"
    assert not [name for name, _ in seen.headers if name.lower().startswith(("proxy-", "x-lockgate", "via"))]
    record = await curl.through.gate.recorded()
    assert (record["method"], record["path"], record["status"], record["upstream"]) == (
        *("GET", "/hello", 200),
        "egress.local",
    )
    assert (record["outcome"], record["effect"]) == ("forwarded", "allow")


async def test_head_has_the_length_and_no_body(curl: Curl) -> None:
    done = await curl("/hello", "--head")
    assert done.code == 0
    assert "content-length: 5" in done.text.lower()
    assert curl.site.requests[0].method == "HEAD"


@pytest.mark.parametrize("size", [0, 5, 3 * PIECE + 1])
async def test_post_comes_back_as_it_was(curl: Curl, size: int) -> None:
    body = bytes(n % 251 for n in range(size))
    octets = ("--header", "Content-Type: application/octet-stream")
    done = await curl("/echo", "--data-binary", "@-", *octets, stdin=body)
    assert (done.code, done.out) == (0, body)
    assert curl.site.requests[0].header("Content-Length") == str(size)


async def test_a_chunked_upload_is_answered_in_chunks(curl: Curl) -> None:
    body = bytes(n % 251 for n in range(5 * PIECE + 7))
    done = await curl("/echo", "--upload-file", "-", "--header", "Content-Type: application/x-tar", stdin=body)
    assert (done.code, done.out) == (0, body)
    (seen,) = curl.site.requests
    assert (seen.method, seen.body) == ("PUT", body)


async def test_a_client_that_waits_for_100_continue_gets_it(curl: Curl) -> None:
    body = b"x" * PIECE
    done = await curl("/count", "--verbose", "--header", "Expect: 100-continue", "--data-binary", "@-", stdin=body)
    assert done.text == str(PIECE)
    assert "HTTP/1.1 100 Continue" in done.err
    assert "Done waiting for 100-continue" not in done.err


async def test_one_connection_serves_many_requests(curl: Curl) -> None:
    urls = [curl.url("/hello") for _ in range(4)]
    done = await curl("/hello", "--write-out", " %{num_connects}\n", *urls)
    assert done.text.split() == ["hello", "1", *(["hello", "0"] * 4)]
    await curl.through.gate.recorded(5)
    assert len(set(curl.site.connections)) == 1


async def test_an_answer_without_content(curl: Curl) -> None:
    done = await curl("/empty", "--include")
    assert done.text.startswith("HTTP/1.1 204 No Content") or "\nHTTP/1.1 204 No Content" in done.text
    assert done.code == 0


async def test_a_range_is_answered_with_the_whole(curl: Curl) -> None:
    """RFC 9110, section 14.2, lets a server ignore it; in slices, a text could pass where no rule sees it whole."""
    done = await curl("/range", "--range", "2-4", "--write-out", " %{http_code}")
    assert done.text == "0123456789 200"


async def test_an_error_of_the_site_is_its_own(curl: Curl) -> None:
    done = await curl("/nothing-here", "--write-out", "%{http_code}")
    assert done.text == "404"
    assert (await curl.through.gate.recorded())["outcome"] == "forwarded"


async def test_a_secret_does_not_leave(curl: Curl) -> None:
    done = await curl("/echo", "--data", f"key={SECRET}", "--write-out", "\n%{http_code}")
    body, _, status = done.text.rpartition("\n")
    assert status == "400"
    assert json.loads(body)["error"]["code"] == "secret_blocked"
    assert curl.site.requests == []


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/hello", ("--header", f"X-Note: {SECRET}")),
        (f"/hello?note={SECRET}", ()),
        (f"/{SECRET}", ()),
    ],
    ids=["field", "query", "path"],
)
async def test_a_secret_in_the_head_does_not_leave(curl: Curl, path: str, options: tuple[str, ...]) -> None:
    done = await curl(path, *options, "--write-out", "\n%{http_code}")
    assert done.text.endswith("\n400")
    assert SECRET not in done.text
    assert SECRET not in str(await curl.through.gate.recorded())
    assert curl.site.requests == []


async def test_a_card_in_json_is_redacted(curl: Curl) -> None:
    done = await curl("/echo", "--json", json.dumps({"note": f"pay {CARD}"}))
    assert json.loads(done.out) == {"note": "pay [CARD]"}
    assert curl.site.requests[0].json() == {"note": "pay [CARD]"}


async def test_a_client_that_leaves_ends_the_call_to_the_site(curl: Curl) -> None:
    command = (*CURL, *curl._options, "--output", "/dev/null", "--limit-rate", "100k", curl.url("/large?n=100000"))
    process = await asyncio.create_subprocess_exec(*command, env=curl.through.environ)
    async with asyncio.timeout(10):
        await curl.site.sending.wait()
    process.kill()
    await process.wait()
    async with asyncio.timeout(10):
        await curl.site.abandoned.wait()
    assert (await curl.through.gate.recorded())["outcome"] == "client_gone"


async def test_requests_in_a_row_are_answered_in_a_row(through: Proxied, secure: WebSite) -> None:
    """A client that does not wait for answers (pipelining, RFC 9112, section 9.3.2)."""
    place = f"{HOST}:{secure.port}"
    context = ssl.create_default_context(cafile=through.bundle)
    reader, writer = await asyncio.open_connection(*through.address)
    writer.write(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    await writer.start_tls(context, server_hostname=HOST)
    asked = "".join(f"{line} HTTP/1.1\r\nHost: {place}\r\n\r\n" for line in ("GET /hello", "GET /range", "GET /empty"))
    writer.write(asked.encode() + f"GET /hello HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n".encode())
    answered = await reader.read(-1)
    writer.close()
    await writer.wait_closed()
    assert [part[:3] for part in answered.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"204", b"200"]
    assert [seen.path for seen in secure.requests] == ["/hello", "/range", "/empty", "/hello"]


@pytest.mark.parametrize("place", [f"http://elsewhere.example/{SECRET}", f"https://{SECRET}.elsewhere.example/"])
async def test_what_is_refused_for_its_host_leaves_no_secret_in_the_record(through: Proxied, place: str) -> None:
    done = await told((*CURL, place, "--write-out", "%{http_code}"), through.environ)
    record = await through.gate.recorded()
    assert (record["code"], record["status"], record["path"]) == ("egress_denied", 403, "[withheld]")
    assert "403" in done.text + done.err
