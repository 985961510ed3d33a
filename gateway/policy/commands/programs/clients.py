"""Clients of other protocols: ping, telnet, databases, names, mail, TLS, sockets."""

from __future__ import annotations

import re
from typing import Final

from gateway.policy.commands.evaluate.value import Arg
from gateway.policy.commands.listing import listed
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.network import URL, address, note_url, urls
from gateway.policy.commands.programs.options import split, values_of
from gateway.policy.commands.report import How

_HOST_VALUES: Final = frozenset(
    listed("""
        -p -P -h -H -t -T -u -U -d -a -n -c -k -W -i -s -w -m -l -q -x -y -b -f -r -S -I -e --host --port --url
        --uri --script
    """)
)


def first_host(run: Invocation) -> None:
    """A program whose first operand is a host, or an option says it: ping, telnet, ftp, and clients of databases."""
    options, operands = split(run.args, _HOST_VALUES)
    ports = [value.text for value in values_of(options, "-p", "-P", "--port")]
    port = next((int(text) for text in ports if text.isdecimal()), DEFAULT_PORTS.get(run.name))
    hosts = values_of(options, "-h", "-H", "--host", "--url", "--uri") if run.name in _BY_OPTION else operands[:1]
    for host in hosts:
        if URL.match(host.text):
            note_url(run, host, sends=True)
        else:
            following = operands[1].text if len(operands) > 1 and run.name not in _BY_OPTION else ""
            own = int(following) if following.isdecimal() else port
            run.remote(host.text.rpartition("@")[2], own, sends=run.name in _BY_OPTION, is_known=host.is_known)
    if run.name in _BY_OPTION:
        urls(run)


DEFAULT_PORTS: Final = {
    "telnet": 23, "ftp": 21, "tftp": 69, "lftp": 21, "whois": 43, "finger": 79, "psql": 5432, "mysql": 3306,
    "mysqldump": 3306, "pg_dump": 5432, "redis-cli": 6379, "mongo": 27017, "mongosh": 27017, "mongodump": 27017,
    "smbclient": 445, "ldapsearch": 389, "mosquitto_pub": 1883, "mosquitto_sub": 1883, "ntpdate": 123,
}  # fmt: skip


_BY_OPTION: Final = frozenset(
    listed("""
        psql mysql mysqldump pg_dump redis-cli mongo mongosh mongodump ldapsearch mosquitto_pub mosquitto_sub
    """)
)


def names(run: Invocation) -> None:
    """dig, nslookup, host: names that are asked for (which can carry data), and the server that is asked."""
    _, operands = split(run.args, frozenset(["-p", "-b", "-c", "-f", "-k", "-q", "-t", "-x", "-y", "-W", "-R", "-N"]))
    for place, one in enumerate(operands):
        text = one.text
        if text.startswith("@"):
            run.remote(text[1:], 53, sends=True, is_known=one.is_known)
        elif text.startswith("+") or text.upper() in _RECORDS:
            continue
        elif run.name != "dig" and place == 1:
            run.remote(text, 53, sends=True, is_known=one.is_known)
        else:
            run.remote(text.rstrip("."), 53, sends=True, is_known=one.is_known)


_RECORDS: Final = frozenset(
    ["A", "AAAA", "ANY", "AXFR", "CAA", "CNAME", "IN", "MX", "NS", "PTR", "SOA", "SRV", "TXT", "HTTPS", "DS", "DNSKEY"]
)


def mail(run: Invocation) -> None:
    """Recipients of mail, by their domains."""
    options, operands = split(
        run.args,
        frozenset(
            listed("""
                -s -a -A -b -c -f -r -F -S -q -i -H -C --subject --attach --append
            """)
        ),
    )
    for one in [*operands, *values_of(options, "-c", "-b")]:
        for recipient in one.text.split(","):
            if "@" in recipient:
                run.remote(
                    recipient.rpartition("@")[2].strip(" >"), 25, recipient.strip(), sends=True, is_known=one.is_known
                )
    if not one_known(operands):
        run.hide(f"the recipients of `{run.name}` are not known")


def one_known(operands: list[Arg]) -> bool:
    """Whether all of them are known."""
    return all(one.is_known for one in operands)


def openssl(run: Invocation) -> None:
    """`s_client`, `s_time`, `ocsp`: hosts by options."""
    for place, one in enumerate(run.args[:-1]):
        if one.text in ("-connect", "-host", "-proxy", "-url"):
            target = run.args[place + 1]
            if URL.match(target.text):
                note_url(run, target, sends=True)
                continue
            host, port = address(target.text)
            run.remote(host, port, sends=True, is_known=target.is_known)
    if run.args and run.args[0].text == "s_server":
        run.hide("`openssl` waits for connections")


_SOCAT: Final = re.compile(
    r"(?i)(tcp[46]?|udp[46]?|openssl|ssl|sctp|socks4a?|proxy)(?:-connect|-sendto|-datagram)?:(\[[^\]]+\]|[^:,]+):([^:,]+)"
)


def socat(run: Invocation) -> None:
    """Two addresses, each a host, a program, a file, or an ear."""
    for one in run.args:
        kind, _, rest = one.text.partition(":")
        kind = kind.lower()
        if kind in ("exec", "system", "shell"):
            run.text(Arg(rest.partition(",")[0], one.is_known), "socat")
        elif found := _SOCAT.match(one.text):
            port = int(found[3]) if found[3].isdecimal() else None
            run.remote(found[2].strip("[]"), port, sends=True, is_known=one.is_known)
        elif "listen" in kind or "recv" in kind:
            run.hide("`socat` waits for connections")
        elif kind in ("open", "file", "gopen", "create", "pipe"):
            run.touch(Arg(rest.partition(",")[0], one.is_known), How.WRITE)
        elif not one.is_known:
            run.hide("an address of `socat` is not known")
