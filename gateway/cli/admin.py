"""Asks a gateway elsewhere, by its admin listener."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPResponse
from typing import Any, Final

from gateway.config import Config
from gateway.errors import ConfigError

TOKEN: Final = "LOCKGATE_ADMIN_TOKEN"
"""The environment variable of the admin token where the configuration names none."""

PATIENCE: Final = 10.0
"""Seconds to wait for an answer: a person waits here, not a request."""


class AdminRefused(ConfigError):
    """The listener answered, and refused. `status` is that of HTTP."""

    def __init__(self, admin: str, status: int, words: str) -> None:
        super().__init__((f"{admin}: {words}",))
        self.status = status
        self.words = words


def asked(
    config: Config, admin: str, path: str, body: Mapping[str, Any] | None, variables: Sequence[str] = ()
) -> Mapping[str, Any]:
    """The answer to a question, or to a body that is posted; see `opened`. Raises ConfigError where there is none, and
    AdminRefused."""
    with opened(config, admin, path, body, variables) as answer:
        try:
            found: Mapping[str, Any] = json.load(answer)
        except (OSError, ValueError) as error:
            raise _unanswered(admin, error) from error
        return found


@contextmanager
def opened(
    config: Config,
    admin: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    variables: Sequence[str] = (),
    timeout: float = PATIENCE,
) -> Iterator[HTTPResponse]:
    """The answer while it comes. `variables` may hold a token, the first that is set, before that of the admin."""
    names = (*variables, config.admin.token_env or TOKEN)
    token = next((found for name in names if (found := os.environ.get(name))), "")
    request = urllib.request.Request(  # noqa: S310 -- an operator's own URL; the opener below speaks HTTP alone
        admin.rstrip("/") + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )
    # The environment's proxy may be the very gateway that is asked.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPDefaultErrorHandler,
    ):
        opener.add_handler(handler())
    try:
        answer = opener.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        words = error.read(4096).decode(errors="replace").strip()
        if error.code == HTTPStatus.UNAUTHORIZED:
            words = f"{words} (taken from the first of these variables that is set: {', '.join(names)})"
        raise AdminRefused(admin, error.code, words) from error
    except (OSError, ValueError) as error:
        raise _unanswered(admin, error) from error
    with answer:
        yield answer


def _unanswered(admin: str, error: Exception) -> ConfigError:
    return ConfigError((f"{admin}: no answer from an admin listener: {error}",))
