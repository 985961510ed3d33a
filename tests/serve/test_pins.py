"""The pins of tools on the admin listener."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.errors import StoreError
from gateway.pins.board import Board
from gateway.serve.pins import MOST, Pins
from gateway.state.memory import MemoryRegisters
from gateway.units import Address
from tests.policy.test_integrity import tool
from tests.serve.loopback import ask
from tests.serve.test_admin import admin, view
from tests.serve.test_base_url import request

BEARER = "Authorization: Bearer t"


@pytest.fixture
async def board() -> Board:
    made = Board(MemoryRegisters())
    await made.look()
    made.listed("files", [tool(), tool("a/b c", "Odd.")], goes_on=False, trusting=True)
    made.listed("files", [tool(description="worse"), tool("a/b c", "Odder.")], goes_on=False, trusting=True)
    return made


@pytest.fixture
async def address(board: Board) -> AsyncIterator[Address]:
    async with admin(token="t", shown=view(pins=Pins(board))) as found:
        yield found


async def got(address: Address, line: str, body: Any = None) -> tuple[int, Any]:
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await ask(address, request(line, BEARER, body=data))
    try:
        return answer.status, json.loads(answer.body)
    except ValueError:
        return answer.status, answer.body.decode()


async def test_all_pins_are_shown(address: Address) -> None:
    status, found = await got(address, "GET /pins")
    assert (status, [one["tool"] for one in found["pins"]]) == (200, ["a/b c", "read_file"])
    assert "worse" in found["pins"][1]["difference"]
    assert (await got(address, "GET /pins?server=other"))[1] == {"pins": []}
    assert len((await got(address, "GET /pins/files/read_file"))[1]["pins"]) == 1


async def test_names_are_spelt_as_paths_spell_them(address: Address, board: Board) -> None:
    status, found = await got(address, "POST /pins/files/a%2Fb%20c", {"decision": "accept", "by": "ann"})
    assert (status, found["pins"][0]["standing"], found["pins"][0]["by"]) == (200, "accepted", "ann")
    assert [one.tool for one in board.waiting] == ["read_file"]


async def test_a_server_is_forgotten(address: Address, board: Board) -> None:
    assert await got(address, "POST /pins/files", {"decision": "forget"}) == (200, {"pins": []})
    assert board.known == {}


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/pins/files/nothing", {"decision": "deny"}, 404, "has listed no tool `nothing`"),
        ("/pins/files", {"decision": "accept"}, 400, "are for /pins/SERVER/TOOL"),
        ("/pins/files/read_file", {"decision": "forget"}, 400, "`forget` for /pins/SERVER"),
        ("/pins/files/read_file", {"decision": "perhaps"}, 400, "is no decision"),
        ("/pins/files/read_file", {"decision": "accept", "by": 1}, 400, "is no decision"),
        ("/pins/files/read_file", b"{", 400, "is no decision"),
        ("/pins/files/read_file", b"x" * (MOST + 1), 400, f"is over {MOST} bytes"),
        ("/pins/files/read_file", {"decision": "accept", "digest": "0"}, 404, "has changed since you looked"),
    ],
)
async def test_what_is_no_decision_is_told(address: Address, path: str, body: Any, status: int, words: str) -> None:
    found = await got(address, f"POST {path}", body)
    assert (found[0], words in found[1]) == (status, True)


async def test_a_store_that_is_away_is_told(address: Address, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone() -> None:
        raise StoreError("gone")

    monkeypatch.setattr(board, "look", gone)
    assert await got(address, "GET /pins") == (503, "gone\n")


async def test_to_decide_wants_a_token_in_any_case(board: Board) -> None:
    async with admin(shown=view(pins=Pins(board))) as address:
        assert (await got(address, "GET /pins"))[0] == 200
        assert (await got(address, "POST /pins/files", {"decision": "forget"}))[0] == 403
        assert (await got(address, "PUT /pins"))[0] == 405
