"""The process of mitmproxy, as the gateway keeps it; a script of a few lines stands in for it here."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway import mitm, resources
from gateway.errors import ConfigError
from gateway.mitm import FIRST_PAUSE, LONGEST_PAUSE, Hop, Mitmproxy, spelt
from gateway.units import Address
from tests.serve.loopback import until

READS_ON = "import sys; sys.stdin.read()"
LISTENS = "import json, os, sys; print(json.dumps(sys.argv[1:]), flush=True); "


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets what stands in for mitmproxy."""
    file = tmp_path / "host.py"
    monkeypatch.setattr(resources, "addon", lambda name: file)
    return lambda text: (file.write_text(text), None)[1]


class Pauses(list[float]):
    """Pauses that take no time, written down; from the `last` on they never end."""

    def __init__(self, last: int = 1000) -> None:
        self.last = last

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)
        if len(self) >= self.last:
            await asyncio.Event().wait()


def made(folder: Path, *modes: str, pause: mitm.Pause = asyncio.sleep) -> Mitmproxy:
    return Mitmproxy(modes, Hop(Address("127.0.0.1", 1), b"key", folder), {}, pause)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("mode", "given"),
    [
        ("regular", "regular@8084"),
        ("transparent", "transparent@8085"),
        ("regular@9000", "regular@9000"),
        ("transparent@0.0.0.0:9000", "transparent@0.0.0.0:9000"),
        ("socks5", "socks5"),
        ("local:curl", "local:curl"),
        ("wireguard", "wireguard"),
    ],
)
def test_a_mode_keeps_its_spelling_but_does_not_take_a_port_of_ours(mode: str, given: str) -> None:
    assert spelt(mode) == given


async def test_without_mitmproxy_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mitm, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        await made(tmp_path, "regular").start()
    assert caught.value.problems == ("--mitm needs mitmproxy, which is not installed; pip install 'lockgate[mitm]'",)


async def test_it_is_told_where_the_hop_is_and_by_the_environment_alone(
    tmp_path: Path, script: Callable[[str], None]
) -> None:
    said = "[*sys.argv[1:], *(os.environ[f'LOCKGATE_{name}'] for name in ('HOP', 'HOP_KEY', 'HOP_CA'))]"
    script(f"import json, os, sys; print(json.dumps({said}), flush=True); sys.stdin.read()")
    running = made(tmp_path, "regular@1")
    await running.start()
    assert running.listening == ("regular@1", "127.0.0.1:1", b"key".hex(), str(tmp_path))
    await running.close()


async def test_it_runs_until_it_is_closed(tmp_path: Path, script: Callable[[str], None]) -> None:
    script(LISTENS + READS_ON)
    running = made(tmp_path, "socks5")
    await running.start()
    status: dict[str, Any] = running.status()
    assert (status["listening"], status["fault"], status["restarts"]) == (["socks5"], None, 0)
    assert alive(status["pid"])
    await running.close()
    assert not alive(status["pid"])


async def test_one_that_does_not_end_is_killed(
    tmp_path: Path, script: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mitm, "END", 0.05)
    script(LISTENS + "import time; time.sleep(600)")
    running = made(tmp_path)
    await running.start()
    pid: Any = running.status()["pid"]
    await running.close()
    assert not alive(pid)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("import sys; sys.exit('no such mode')", "no such mode"),
        ("import sys; print('one', file=sys.stderr); sys.exit('two')", "one; two"),
        ("", "JSONDecodeError: "),
        ("print('no JSON')", "JSONDecodeError: "),
    ],
)
async def test_one_that_does_not_start_is_an_error_that_says_what_it_said(
    tmp_path: Path, script: Callable[[str], None], text: str, fault: str
) -> None:
    script(text)
    running = made(tmp_path)
    with pytest.raises(ConfigError) as caught:
        await running.start()
    assert str(caught.value).startswith(f"--mitm: mitmproxy does not start: {fault}")


async def test_a_python_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ConfigError, match="mitmproxy does not start: FileNotFoundError"):
        await made(tmp_path).start()


async def test_one_that_says_nothing_is_not_waited_for_for_ever(
    tmp_path: Path, script: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mitm, "START", 0.05)
    script(READS_ON)
    with pytest.raises(ConfigError, match="TimeoutError"):
        await made(tmp_path).start()


async def test_one_that_dies_is_started_again_after_longer_and_longer_pauses(
    tmp_path: Path, script: Callable[[str], None]
) -> None:
    script(LISTENS + "sys.exit('it broke')")
    pauses = Pauses(last=9)
    running = made(tmp_path, pause=pauses)
    await running.start()
    await until(lambda: len(pauses) == 9)
    assert pauses == [min(FIRST_PAUSE * 2**number, LONGEST_PAUSE) for number in range(9)]
    assert running.fault == "it ended with 1: it broke"
    assert running.restarts == 8
    assert running.status()["pid"] is None
    await running.close()


async def test_one_that_cannot_even_start_again_is_tried_again(tmp_path: Path, script: Callable[[str], None]) -> None:
    script(LISTENS + "sys.exit(3)")
    pauses = Pauses(last=4)
    running = made(tmp_path, pause=pauses)
    await running.start()
    script("import sys; sys.exit('taken')")
    await until(lambda: len(pauses) == 4)
    assert running.fault == "taken"
    await running.close()


async def test_one_that_had_run_well_is_started_again_soon(
    tmp_path: Path, script: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mitm, "STEADY", -1.0)
    script(LISTENS + "sys.exit(3)")
    pauses = Pauses(last=4)
    running = made(tmp_path, pause=pauses)
    await running.start()
    await until(lambda: len(pauses) == 4)
    assert pauses == [FIRST_PAUSE] * 4
    assert running.fault == "it ended with 3: it said nothing"
    await running.close()
