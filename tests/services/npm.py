"""Reference MCP servers from npm, as operators run them: `tests/npm` has their lock, `./dev setup` installs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.services.ports import HOST, free_port

FOLDER: Final = Path(__file__).parents[1] / "npm"
PACKAGES: Final = FOLDER / "node_modules"
SCOPE: Final = "@modelcontextprotocol"


class MissingServer(Exception):
    """There is no such server to test with."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is missing; install `npm` (apt-get install npm), and run `./dev setup`")


def folder(name: str) -> Path:
    """The package `server-NAME`. Raises MissingServer."""
    found = PACKAGES / SCOPE / f"server-{name}"
    if not found.is_dir():
        raise MissingServer(f"`{SCOPE}/server-{name}`")
    return found


def command(name: str, *arguments: str) -> tuple[str, ...]:
    """What runs the server of that name, by default on standard input and output. Raises MissingServer."""
    node = shutil.which("node")
    if node is None:
        raise MissingServer("`node`")
    package = folder(name)
    (program,) = json.loads((package / "package.json").read_text())["bin"].values()
    return node, str(package / program), *arguments


def edited(name: str, target: Path, changes: dict[str, str]) -> Path:
    """The server as another version of it would be, in a folder that is made: texts of its program replaced by others.
    What runs it."""
    package = folder(name)
    shutil.copytree(package, target)
    (target / "node_modules").symlink_to(PACKAGES)
    program = target / "dist" / "index.js"
    text = program.read_text()
    for before, after in changes.items():
        assert before in text, f"{name} does not say {before!r} any more"
        text = text.replace(before, after)
    program.write_text(text)
    return program


MODES: Final = {"http": ("streamableHttp", "mcp"), "sse": ("sse", "sse")}
"""The argument of `everything` for each transport, and the path that it serves then."""


@contextmanager
def serving(transport: str) -> Iterator[str]:
    """The URL of the server `everything` over HTTP, in either form."""
    mode, path = MODES[transport]
    port = free_port()
    environ = {**os.environ, "PORT": str(port)}
    with subprocess.Popen(
        command("everything", mode), env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stderr is not None
            while f"on port {port}".encode() not in (line := process.stderr.readline()):
                assert line, "the server ended before it listened"
            yield f"http://{HOST}:{port}/{path}"
        finally:
            process.terminate()
            process.communicate()
