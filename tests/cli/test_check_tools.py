"""What `lockgate check` says of tools."""

from __future__ import annotations

from gateway.cli.check_tools import rows
from gateway.config import parse

TEXT = """
[rules]
tool_policies = []
[tools.send_email]
match = ["send_email", "gmail/send"]
schema = { properties = { cc = { format = "email" }, body = {}, to = {}, when = { description = "a URL" } } }
[tools.send_email.arguments.to]
sink = "recipient"
[tools.send_email.arguments.file]
[tools.send_email.sinks.path]
deny = ["~/.ssh"]
[tools.frob]
tier = 1
enabled = false
[tools.any]
match = ["*"]
"""


ARGUMENTS = (
    "to: recipient (declared); file: path (its name says `file`); cc: recipient (its format is `email`); "
    "body: text (its name says `body`); when: url (its description says so); every path"
)


def test_it_says_what_each_argument_is_taken_for_and_the_tier_with_its_reason() -> None:
    assert list(rows(parse(TEXT, "gate.toml"))) == [
        (
            "send_email",
            "send_email gmail/send",
            "3, its name says `send`",
            ARGUMENTS,
        ),
        ("frob", "switched off", "1, declared", ""),
        ("any", "*", "by each name", ""),
    ]
