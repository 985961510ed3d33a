"""Which words of a tool's name say what it does to the world, as tables.

The lists are ours, from the tools of the public agent benchmarks and of the widespread MCP servers (November 2026).
Words that are only things (`status`, `history`) are not among those that read: beside a verb that nobody knows they
would make a tool look harmless.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.policy.call import Tier


def _table(rows: Mapping[Tier, str]) -> Mapping[str, Tier]:
    return MappingProxyType({word: tier for tier, line in rows.items() for word in line.split()})


VERBS: Final = _table(
    {
        Tier.READ: """
            analyse analyze browse calculate cat check classify compare compute convert count crawl describe detect
            diff echo estimate explain extract fetch find get glob grep help identify inspect introspect list
            listdir lookup ls parse peek ping predict preview query rank read readfile recall recommend retrieve scrape
            screenshot search see show sleep snapshot stat summarise summarize tail think translate validate verify
            view wait webfetch websearch whoami hover
        """,
        Tier.CREATE: """
            add append clone compose copy create download draft duplicate generate import init initialise initialize
            insert make mkdir prepare remember save store touch
        """,
        Tier.MODIFY: """
            adjust apply archive assign attach change click close complete connect customise customize disable
            disconnect drag edit enable fill finish format link mark merge modify move mute navigate open organise
            organize patch pin press put rebase rename reopen reorder replace resize resolve restore revert rewrite
            scroll select set sort stage swap sync tick toggle type unarchive undo unmute unpin update upsert write
            writefile
        """,
        Tier.SEND: """
            accept announce approve ban broadcast buy cancel checkout clear configure confirm decline delete deliver
            deny deposit destroy discard dispatch donate drop erase escalate export expose forward invite kick leave
            manage notify pay publish purge push redeem refund reject remit remove rent reply reserve reset respond
            revoke rm rmdir sell send share sign start stop submit subscribe terminate transfer transmit trash truncate
            unfollow unlink unlock unpublish unsubscribe upload wipe wire withdraw
        """,
        Tier.SYSTEM: """
            bash chmod chown deploy elevate eval exec execute flash grant impersonate install kill mount powershell
            provision reboot restart rollback run shell shutdown spawn ssh su sudo terminal undeploy uninstall umount
            zsh
        """,
    }
)
"""What counts wherever it stands in a name."""

THINGS: Final = _table(
    {
        Tier.MODIFY: "bookmark commit follow fork label like log note react reaction record star tag track vote",
        Tier.SEND: """
            alert appointment book booking call charge comment contribution dm donation email fax invitation invoice
            letter mail message msg order page payment payout post purchase release report request reservation response
            review schedule sms text tip trade transaction tweet
        """,
    }
)
"""Verbs that are things too, and things that go out once they are made: `post_message`, `create_payment`. After a verb
that reads or changes they are only things: `get_order`, `label_message`."""

POWERS: Final = _table(
    {
        Tier.SEND: "apikey credential password secret token",
        Tier.SYSTEM: """
            acl admin cmd command cron crontab daemon firewall firmware interpreter javascript kernel permission
            privilege process python registry repl role sandbox subprocess
        """,
    }
)
"""Things that give power: to do anything with one but to read it is to change who may do what. `set_permissions`."""

RESETS: Final = frozenset({"and", "or", "then"})
"""Words after which another verb begins: `read_and_post`."""

UNSENT: Final = frozenset({"draft", "drafts"})
"""Words that say that what is made does not go out yet: `create_email_draft`."""
