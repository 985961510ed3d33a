"""Plain HTTP tools through a real gateway: pages come back without what they hide, forms go out without cards."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import aiohttp
import pytest

from tests.end_to_end.conftest import Start
from tests.end_to_end.running import CARD, ORDER, SECRET, Running
from tests.fakes.pdf import pdf
from tests.fakes.script import Raw
from tests.fakes.upstream import Upstream

REMOVED = "[removed by the security gateway: text that addressed the assistant]"
PAGE = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Tool:
    """A gateway in front of a tool, and a client that knows nothing of it."""

    running: Running
    client: aiohttp.ClientSession

    async def get(self, path: str = "/page") -> tuple[int, Mapping[str, str], bytes]:
        async with self.client.get(f"{self.running.url}/tool{path}") as response:
            return response.status, response.headers, await response.read()

    async def post(self, body: bytes, label: str) -> int:
        headers = {"Content-Type": label}
        async with self.client.post(f"{self.running.url}/tool/form", data=body, headers=headers) as response:
            await response.read()
            return response.status


@pytest.fixture
async def tool(start: Start, upstream: Upstream) -> AsyncIterator[Tool]:
    tables = f'[upstreams.tool]\ndialect = "http"\nbase_url = "{upstream.url}"\n'
    async with start(tables) as running, aiohttp.ClientSession() as client:
        yield Tool(running, client)


def served(body: bytes, *headers: tuple[str, str], step: int = 7) -> Raw:
    """An answer in small pieces."""
    return Raw(tuple(body[at : at + step] for at in range(0, len(body), step)), headers=headers)


async def test_a_page_comes_back_without_the_order_and_without_comments(tool: Tool, upstream: Upstream) -> None:
    page = f"<h1>Rain</h1><!-- v2 --><p>Dry later. You must {ORDER.replace('page', '<b>page</b>')}. Bye.</p>"
    upstream.script = served(page.encode(), ("Content-Type", PAGE), ("ETag", '"1"'))
    status, headers, body = await tool.get()
    assert status == 200
    assert body.decode() == f"<h1>Rain</h1><!----><p>Dry later. {REMOVED}<b></b> Bye.</p>"
    assert "ETag" not in headers
    assert headers["x-lockgate-effect"] == "rewrite"
    record = await tool.running.recorded()
    assert (record["outcome"], record["answer"]["coverage"]) == ("edited", "text")
    assert {reason["rule"] for reason in record["reasons"]} == {"test-order", "hidden.comment"}
    assert ORDER not in str(record)


async def test_a_page_without_findings_comes_back_byte_for_byte(tool: Tool, upstream: Upstream) -> None:
    page = b"<p hidden>menu<p>\xff caf\xe9 &amp; more<br/><!--$--> </P>\r\n"
    upstream.script = served(page, ("Content-Type", PAGE), ("ETag", '"1"'))
    status, headers, body = await tool.get()
    assert (status, body, headers["ETag"]) == (200, page, '"1"')


async def test_a_compressed_page_is_read(tool: Tool, upstream: Upstream) -> None:
    coded = gzip.compress(f"<p>One. Now {ORDER}!</p>".encode())
    upstream.script = served(coded, ("Content-Type", PAGE), ("Content-Encoding", "gzip"))
    _, _, body = await tool.get()
    assert body.decode() == f"<p>One. {REMOVED}</p>"


async def test_a_page_under_the_label_of_an_image_is_read(tool: Tool, upstream: Upstream) -> None:
    upstream.script = served(f"<html><p>{ORDER}</p>".encode(), ("Content-Type", "image/png"))
    _, _, body = await tool.get()
    assert body.decode() == f"<html><p>{REMOVED}</p>"


async def test_an_image_passes_and_is_recorded_as_not_inspected(tool: Tool, upstream: Upstream) -> None:
    image = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
    upstream.script = served(image, ("Content-Type", "image/png"), step=500)
    _, headers, body = await tool.get()
    assert (body, headers["Content-Type"]) == (image, "image/png")
    record = await tool.running.recorded()
    assert list(record["answer"]["uninspected"]) == ["binary_body"]


async def test_a_secret_split_by_tags_refuses_the_page(tool: Tool, upstream: Upstream) -> None:
    upstream.script = served(f"<p>{SECRET[:8]}<i>{SECRET[8:]}</i>".encode(), ("Content-Type", PAGE))
    status, _, body = await tool.get()
    assert status == 400
    assert b"secret_blocked" in body


@pytest.mark.parametrize(
    ("label", "body", "sent"),
    [
        ("application/x-www-form-urlencoded", "a=1&pay=with+CARD%2D4242", "a=1&pay=with+%5BCARD%5D"),
        ("text/xml", "<pay><card>CARD&#45;4242</card></pay>", "<pay><card>[CARD]</card></pay>"),
        ("text/csv", f"a;{CARD}\n", "a;[CARD]\n"),
        (
            "multipart/form-data; boundary=b",
            f'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n{CARD}\r\n--b--\r\n',
            '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n[CARD]\r\n--b--\r\n',
        ),
    ],
)
async def test_a_card_in_a_form_goes_out_redacted(
    label: str, body: str, sent: str, tool: Tool, upstream: Upstream
) -> None:
    upstream.script = served(b"ok", ("Content-Type", "text/plain"))
    assert await tool.post(body.encode(), label) == 200
    assert upstream.last.body.decode() == sent
    assert (await tool.running.recorded())["outcome"] == "edited"


@pytest.mark.parametrize(
    ("label", "body", "code"),
    [
        ("application/x-www-form-urlencoded", "CARD%2D4242=1", "pii_blocked"),
        ("application/x-www-form-urlencoded", "key=SEKRET%2D48151623", "secret_blocked"),
        ("application/yaml", f"card: {CARD}\n", "pii_blocked"),
        ("application/octet-stream", SECRET, "secret_blocked"),
        ("application/x-www-form-urlencoded", "a=%ff", "unreadable_body"),
        ("text/xml", "<a>", "unreadable_body"),
    ],
)
async def test_what_cannot_go_out_safely_is_refused(
    label: str, body: str, code: str, tool: Tool, upstream: Upstream
) -> None:
    assert await tool.post(body.encode(), label) == 400
    assert upstream.requests == []
    assert (await tool.running.recorded())["code"] == code


async def test_a_binary_upload_arrives_as_it_was_sent(tool: Tool, upstream: Upstream) -> None:
    upstream.script = served(b"ok", ("Content-Type", "text/plain"))
    image = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 1_000
    assert await tool.post(image, "image/png") == 200
    assert upstream.last.body == image
    record = await tool.running.recorded()
    assert (record["request"]["bytes"], list(record["request"]["uninspected"])) == (len(image), ["binary_body"])


async def test_an_operator_may_keep_comments(start: Start, upstream: Upstream) -> None:
    tables = (
        '[rules.effects]\n"hidden.bare.comment" = "allow"\n'
        f'[upstreams.tool]\ndialect = "http"\nbase_url = "{upstream.url}"\n'
    )
    async with start(tables) as running, aiohttp.ClientSession() as client:
        upstream.script = served(b"<!-- note -->a", ("Content-Type", PAGE))
        assert (await Tool(running, client).get())[2] == b"<!-- note -->a"


async def test_a_document_with_an_order_in_it_does_not_come_back(tool: Tool, upstream: Upstream) -> None:
    written = pdf("Quarterly report.", f"You must {ORDER}.")
    upstream.script = served(written, ("Content-Type", "application/pdf"), step=97)
    status, headers, body = await tool.get("/report.pdf")
    assert (status, headers["x-lockgate-effect"]) == (400, "block")
    assert json.loads(body)["error"]["code"] == "injection_detected"
    record = await tool.running.recorded()
    assert {reason["rule"] for reason in record["reasons"]} == {"test-order"}


async def test_a_document_comes_back_as_it_was_where_its_text_is_harmless(tool: Tool, upstream: Upstream) -> None:
    written = pdf("Quarterly report.", "Dry later.")
    upstream.script = served(written, ("Content-Type", "application/pdf"), ("ETag", '"1"'), step=97)
    status, headers, body = await tool.get("/report.pdf")
    assert (status, body, headers["ETag"]) == (200, written, '"1"')
    record = await tool.running.recorded()
    assert (record["answer"]["coverage"], record["answer"]["uninspected"]) == ("text", {})


async def test_a_document_that_cannot_be_read_is_named(tool: Tool, upstream: Upstream) -> None:
    written = pdf("Quarterly report.")[:500]
    upstream.script = served(written, ("Content-Type", "application/pdf"), step=97)
    status, _, body = await tool.get("/report.pdf")
    assert (status, body) == (200, written)
    assert "pdf_broken" in str((await tool.running.recorded())["answer"]["uninspected"])


async def test_a_document_with_a_card_number_is_not_sent(tool: Tool, upstream: Upstream) -> None:
    assert await tool.post(pdf(f"card {CARD}"), "application/pdf") == 400
    assert upstream.requests == []
