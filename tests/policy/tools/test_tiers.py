"""What a tool can do by its name, its method and what its server says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.call import Tier
from gateway.policy.tools.naming import is_plain, parts, words
from gateway.policy.tools.tiers import UNKNOWN, Tiered, hinted, tier_of, tier_of_method
from gateway.policy.tools.verbs import POWERS, THINGS, VERBS

READ, CREATE, MODIFY, SEND, SYSTEM = Tier


@pytest.mark.parametrize(
    ("name", "tier", "word"),
    [
        ("get_order", READ, "get"),
        ("list_payments", READ, "list"),
        ("read_multiple_files", READ, "read"),
        ("mcp__filesystem__read_file", READ, "read"),
        ("mcp__email__list", READ, "list"),
        ("users.messages.get", READ, "get"),
        ("AmazonViewSavedAddresses", READ, "view"),
        ("get_permissions", READ, "get"),
        ("Read", READ, "read"),
        ("WebFetch", READ, "fetch"),
        ("github_create_issue", CREATE, "create"),
        ("create_email_draft", CREATE, "create"),
        ("create_or_update_file", MODIFY, "update"),
        ("search_and_replace", MODIFY, "replace"),
        ("label_message", MODIFY, "label"),
        ("update_scheduled_transaction", MODIFY, "update"),
        ("commit_changes", MODIFY, "commit"),
        ("mcp__gmail__send_email", SEND, "send"),
        ("GmailSendEmail", SEND, "send"),
        ("user.delete", SEND, "delete"),
        ("BankManagerPayBill", SEND, "pay"),
        ("chat.postMessage", SEND, "post"),
        ("create_message", SEND, "message"),
        ("read_and_post", SEND, "post"),
        ("schedule_transaction", SEND, "schedule"),
        ("git_commit", SEND, "commit"),
        ("update_password", SEND, "password"),
        ("book_reservation", SEND, "book"),
        ("list_or_delete", SEND, "delete"),
        ("TerminalExecute", SYSTEM, "terminal"),
        ("Bash", SYSTEM, "bash"),
        ("run_query", SYSTEM, "run"),
        ("set_permissions", SYSTEM, "permission"),
        ("mcp__shell__list", SYSTEM, "shell"),
        ("python", SYSTEM, "python"),
        ("install_package", SYSTEM, "install"),
    ],
)
def test_the_strictest_verb_of_a_name_counts(name: str, tier: Tier, word: str) -> None:
    assert tier_of(name) == Tiered(tier, f"its name says `{word}`")


@pytest.mark.parametrize(
    "name", ["frobnicate", "frobnicate_status", "", "42", "发送邮件", "ＤＯＩＴ", "getaway", "settings"]
)
def test_a_name_without_a_known_verb_is_taken_for_one_that_sends(name: str) -> None:
    assert tier_of(name) == Tiered(SEND, "its name holds no verb that is known")


@pytest.mark.parametrize(("name", "power"), [("execcmd", "exec"), ("runbashscript", "bash"), ("xshell", "shell")])
def test_power_shows_where_words_run_together(name: str, power: str) -> None:
    assert tier_of(name) == Tiered(SYSTEM, f"its name holds `{power}`")


@pytest.mark.parametrize("name", ["get_d\u0435lete", "list\u200bdeletion", "read_发送", "get_\uff44\u0435lete"])
def test_letters_that_look_like_others_make_no_name_harmless(name: str) -> None:
    assert tier_of(name) == Tiered(SEND, "its name has letters that look like others, or that nobody sees")


def test_compatibility_forms_are_read_as_what_they_stand_for() -> None:
    assert tier_of("get_\uff44\uff45\uff4c\uff45\uff54\uff45").tier is SEND
    assert tier_of("\uff47\uff45\uff54_file").tier is READ


@pytest.mark.parametrize(
    ("method", "tier"),
    [("GET", READ), ("head", READ), ("PUT", MODIFY), ("PATCH", MODIFY), ("POST", SEND), ("DELETE", SEND)],
)
def test_methods_have_tiers(method: str, tier: Tier) -> None:
    assert tier_of_method(method) == Tiered(tier, f"its method is {method.upper()}")


@pytest.mark.parametrize(
    ("name", "tiered"),
    [
        ("GET /users/delete", Tiered(READ, "its method is GET")),
        ("DELETE https://api.example.com/users/3", Tiered(SEND, "its method is DELETE")),
        ("FROB /users", Tiered(UNKNOWN, "its method is not known")),
        ("GET users", Tiered(READ, "its name says `get`")),
    ],
)
def test_a_request_is_known_by_its_method(name: str, tiered: Tiered) -> None:
    assert tier_of(name) == tiered


def test_an_unknown_method_sends() -> None:
    assert tier_of_method("FROB") == Tiered(UNKNOWN, "its method is not known")


@pytest.mark.parametrize(
    ("annotations", "tier"),
    [
        ({"readOnlyHint": True}, READ),
        ({"destructiveHint": True, "readOnlyHint": True}, SEND),
        ({"readOnlyHint": False}, CREATE),
        ({"destructiveHint": False, "readOnlyHint": None}, READ),
        ({"destructiveHint": "yes"}, SEND),  # which clients in Python take for true
        ({"destructiveHint": {}}, SEND),
        ({"readOnlyHint": "false"}, CREATE),
        (None, READ),
        ([], READ),
    ],
)
def test_hints_of_a_server_make_a_tier_stricter(annotations: Any, tier: Tier) -> None:
    assert hinted(tier_of("get_file"), (annotations,)).tier is tier
    assert hinted(tier_of("get_file"), ({"readOnlyHint": True}, annotations)).tier is tier
    assert hinted(tier_of("run"), (annotations,)) == tier_of("run")


def test_a_tool_of_which_no_server_speaks_is_of_the_tier_of_its_name() -> None:
    assert hinted(tier_of("get_file"), ()) == tier_of("get_file")


@given(
    st.sampled_from(["get_file", "update_file", "send_mail", "run", "frobnicate"]),
    st.dictionaries(st.sampled_from(["readOnlyHint", "destructiveHint", "idempotentHint"]), st.booleans()),
)
def test_no_hint_makes_a_tier_milder(name: str, annotations: dict[str, bool]) -> None:
    assert hinted(tier_of(name), (annotations,)).tier >= tier_of(name).tier


@given(st.lists(st.sampled_from(sorted(VERBS)), min_size=1, max_size=4), st.sampled_from(sorted(VERBS)))
def test_one_verb_more_never_makes_a_name_milder(names: list[str], more: str) -> None:
    assert tier_of("_".join([*names, more])).tier >= tier_of("_".join(names)).tier


def test_no_word_is_in_two_tables() -> None:
    assert not VERBS.keys() & THINGS.keys()
    assert not VERBS.keys() & POWERS.keys()
    assert not THINGS.keys() & POWERS.keys()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("sendEmail", ("send", "email")),
        ("HTTPServerURL2", ("http", "server", "url", "2")),
        ("to-user_ID", ("to", "user", "id")),
        ("发送邮件to", ("发送邮件", "to")),
        ("", ()),
    ],
)
def test_names_fall_into_words(name: str, found: tuple[str, ...]) -> None:
    assert words(name) == found


def test_names_fall_into_parts() -> None:
    assert parts("mcp__my_mail__sendNow") == (("mcp",), ("my", "mail"), ("send", "now"))
    assert parts("a.b/c:d") == (("a",), ("b",), ("c",), ("d",))


def test_plain_names_have_nothing_but_plain_letters() -> None:
    assert is_plain("get_file-2")
    assert not is_plain("gеt")
    assert not is_plain("12")
