"""`[approvals]` and `[approvers.NAME]`: on which terms people are asked about calls of tools, and who they are."""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, PlainValidator, model_validator

from gateway.approve.decision import Person
from gateway.approve.terms import Mode, Terms
from gateway.policy.call import Approver
from gateway.settings.fields import Array, Choice, Duration, Sha256, Table, Variable, plain_name

_FORM: Final = 'accepted: "https://host/path"; "http://…" on this machine alone, as 127.0.0.1, ::1 or localhost'


class Form(StrEnum):
    """What a webhook is sent."""

    JSON = "json"
    SLACK = "slack"


def webhook_url(value: object) -> str:
    """The URL of a webhook. It is not quoted where it is wrong: it may be a credential itself. Raises ValueError."""
    if not isinstance(value, str) or not value.isascii() or any(letter <= " " or letter == "\\" for letter in value):
        raise ValueError(f"no URL of a webhook; {_FORM}")
    try:
        url = urlsplit(value)
        host, port = url.hostname, url.port
    except ValueError:
        raise ValueError(f"no URL of a webhook; {_FORM}") from None
    if url.scheme not in {"http", "https"} or not host or port == 0 or "@" in url.netloc or "#" in value:
        raise ValueError(f"no URL of a webhook; {_FORM}")
    if url.scheme == "http" and not _is_loopback(host):
        raise ValueError(f"a webhook that is reached in the clear; {_FORM}")
    return value


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class ApprovalsTable(Table):
    """`[approvals]`: on which terms people are asked. Times in seconds."""

    mode: Choice[Mode] = Mode.WAIT
    deadline: Duration = 300.0
    ticket_lifetime: Duration = 3600.0
    grant_lifetime: Duration = 8 * 3600.0
    four_eyes: bool = False
    webhook: Annotated[str, PlainValidator(webhook_url)] | None = None
    webhook_env: Variable | None = None
    webhook_form: Choice[Form] = Form.JSON
    webhook_secret_env: Variable | None = None

    @model_validator(mode="after")
    def _one_webhook(self) -> Self:
        if self.webhook is not None and self.webhook_env is not None:
            raise ValueError("has two webhooks; accepted: `webhook` or `webhook_env`, not both")
        named = self.webhook is not None or self.webhook_env is not None
        if named and self.webhook_form is Form.JSON and self.webhook_secret_env is None:
            raise ValueError(
                "has a webhook that nobody signs; accepted: `webhook_secret_env`, the name of an environment variable "
                'with the secret, or webhook_form = "slack"'
            )
        if not named and self.webhook_secret_env is not None:
            raise ValueError("has a secret and no webhook; accepted: `webhook` or `webhook_env` beside it")
        return self

    @property
    def terms(self) -> Terms:
        return Terms(self.mode, self.deadline, self.ticket_lifetime, self.grant_lifetime, self.four_eyes)


ADMIN_NAME: Final = "admin"
"""Who shows the token of `[admin]`."""


def _approver_name(name: str) -> str:
    if name == ADMIN_NAME:
        raise ValueError("is what who shows the token of [admin] is called; accepted: another name")
    return plain_name(name)


type ApproverName = Annotated[str, AfterValidator(_approver_name)]


class ApproverTable(Table):
    """`[approvers.NAME]`: one person, known by a token of the admin listener. A user confirms for some agents."""

    token_env: Variable | None = None
    token_sha256: Sha256 | None = None
    role: Choice[Approver] = Approver.APPROVER
    agents: Array[str] = ()

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if (self.token_env is None) is (self.token_sha256 is None):
            raise ValueError("is known by one token; accepted: `token_env` or `token_sha256`")
        return self

    @model_validator(mode="after")
    def _users_have_agents(self) -> Self:
        if self.role is Approver.USER and not self.agents:
            raise ValueError("is the user of no agent; accepted: `agents`, the names of those whose user it is")
        return self

    def person(self, name: str) -> Person:
        """Who it is."""
        return Person(name, self.role, frozenset(self.agents) or None)
