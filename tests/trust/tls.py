"""A TLS server on loopback that answers each connection, and clients that judge its certificate."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\ntrusted"


@contextmanager
def serving(context: ssl.SSLContext) -> Iterator[int]:
    """The port of a server with that context. It speaks enough HTTP for one answer."""
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=_answer_all, args=(listener, context))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def _answer_all(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # shut down
            return
        with connection, suppress(OSError):  # a client that does not trust us hangs up
            connection.settimeout(10)
            with context.wrap_socket(connection, server_side=True) as stream:
                stream.recv(65536)
                stream.sendall(ANSWER)
                stream.unwrap()


def python(host: str, port: int, roots: Path) -> str | None:
    """What Python says against the server, by the flags that it sets from 3.13 on; None where it trusts it."""
    context = ssl.create_default_context(cafile=roots)
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        try:
            with context.wrap_socket(connection, server_hostname=host) as stream:
                assert stream.selected_alpn_protocol() == "http/1.1"
                stream.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert stream.recv(65536) == ANSWER
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
    return None


def openssl(host: str, port: int, roots: Path) -> str | None:
    """Likewise `openssl s_client`."""
    with suppress(ValueError):
        ip_address(host)
        return _s_client(port, roots, "-verify_ip", host, "-noservername")
    return _s_client(port, roots, "-verify_hostname", host, "-servername", host)


def _s_client(port: int, roots: Path, *options: str) -> str | None:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-x509_strict", "-verify_return_error"]
    ended = told([*command, "-CAfile", str(roots), "-no-CApath", "-no-CAstore", *options])
    lines = ended.stderr.splitlines() + ended.stdout.splitlines()
    if ended.returncode == 0:
        assert any("Verify return code: 0 (ok)" in line for line in lines)
        return None
    return next(line for line in lines if "verify error" in line)


def curl(host: str, port: int, roots: Path) -> str | None:
    """Likewise curl."""
    address = f"[{host}]" if ":" in host else host
    url, way = f"https://{address}:{port}/", f"{address}:{port}:127.0.0.1:{port}"
    ended = told(
        ["curl", "-q", "--silent", "--show-error", "--noproxy", "*", "--cacert", str(roots), "--connect-to", way, url]
    )
    if ended.returncode == 0:
        assert ended.stdout == "trusted"
        return None
    assert ended.returncode == 60, ended.stderr  # CURLE_PEER_FAILED_VERIFICATION
    return ended.stderr


def told(command: list[str], environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A command that has ended, and what it said."""
    return subprocess.run(
        command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )


CLIENTS: tuple[Callable[[str, int, Path], str | None], ...] = (python, openssl, curl)
