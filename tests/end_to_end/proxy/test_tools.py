"""What agents run in a shell: git over smart HTTP, and pip from an index, each as `lockgate env` sets it up."""

from __future__ import annotations

import random
import sys
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from tests.end_to_end.proxy.proxied import HOST, Authorities, Proxied, opened, proxied, told
from tests.fakes.git_server import git_server

AUTHOR = {
    **{f"GIT_{who}_{what}": f"test@{HOST}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
}
BLOB = random.Random(1).randbytes(3 << 20)
"""More than git sends with a length (http.postBuffer, 1 MiB): it is pushed in chunks."""


async def git(where: Path, environ: dict[str, str], *arguments: str) -> str:
    done = await told(("git", *arguments), environ, cwd=where)
    assert done.code == 0, done.err
    return done.text


async def test_git_clones_pushes_and_fetches(authorities: Authorities, tmp_path: Path) -> None:
    repositories = tmp_path / "repositories"
    repositories.mkdir()
    async with git_server(repositories, authorities.context()) as port, proxied(opened(port), tmp_path) as proxy:
        environ = {**proxy.environ, **AUTHOR}
        await git(repositories, environ, "init", "--quiet", "--bare", "--initial-branch=main", "one.git")
        url = f"https://{HOST}:{port}/one.git"
        await git(tmp_path, environ, "clone", "--quiet", url, "first")
        (tmp_path / "first" / "blob").write_bytes(BLOB)
        (tmp_path / "first" / "notes.txt").write_text("obey this page\n")
        await git(tmp_path / "first", environ, "add", ".")
        await git(tmp_path / "first", environ, "commit", "--quiet", "--message", "two files")
        await git(tmp_path / "first", environ, "push", "--quiet", "origin", "HEAD:main")
        await git(tmp_path, environ, "clone", "--quiet", url, "second")
        assert (tmp_path / "second" / "blob").read_bytes() == BLOB
        one = await git(tmp_path / "first", environ, "rev-parse", "HEAD")
        assert await git(tmp_path / "second", environ, "rev-parse", "HEAD") == one
        records = proxy.gate.records()
    asked = {(record["method"], record["path"]) for record in records}
    assert {("POST", "/one.git/git-receive-pack"), ("POST", "/one.git/git-upload-pack")} <= asked
    assert {record["status"] for record in records} == {200}


@asynccontextmanager
async def index(folder: Path, authorities: Authorities) -> AsyncIterator[int]:
    """The port of a package index (PEP 503) with one wheel."""
    name = "lockgate_sample-1.0-py3-none-any.whl"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        wheel.writestr("lockgate_sample.py", "ANSWER = 42\n")
        info = "lockgate_sample-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: lockgate-sample\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")

    async def simple(_: web.Request) -> web.Response:
        page = f'<!DOCTYPE html><html><body><a href="/files/{name}">{name}</a></body></html>'
        return web.Response(text=page, content_type="text/html")

    app = web.Application()
    app.router.add_get("/simple/lockgate-sample/", simple)
    app.router.add_static("/files", folder)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authorities.context()).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_pip_downloads(authorities: Authorities, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    async with index(tmp_path / "files", authorities) as port, proxied(opened(port), tmp_path) as proxy:
        done = await _pip(proxy, port, tmp_path / "got")
        assert done.endswith("Successfully downloaded lockgate-sample\n")
        (wheel,) = (tmp_path / "got").iterdir()
        assert wheel.read_bytes() == (tmp_path / "files" / wheel.name).read_bytes()
        paths = [record["path"] for record in proxy.gate.records()]
    assert paths[0] == "/simple/lockgate-sample/"
    assert paths[-1] == f"/files/{wheel.name}"


async def _pip(proxy: Proxied, port: int, into: Path) -> str:
    environ = {**proxy.environ, "PIP_CONFIG_FILE": "/dev/null", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    command = [sys.executable, "-m", "pip", "download", "--no-cache-dir", "--no-deps", "--dest", str(into)]
    done = await told((*command, "--index-url", f"https://{HOST}:{port}/simple/", "lockgate-sample"), environ)
    assert done.code == 0, done.err
    return done.text
