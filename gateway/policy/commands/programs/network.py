"""Which arguments of common programs are hosts, and whether data is sent along."""

from __future__ import annotations

import re
from typing import Final

from gateway.policy.commands.evaluate.value import TERMINAL, Arg
from gateway.policy.commands.listing import listed
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.options import has, split, values_of
from gateway.policy.commands.report import How

PORTS: Final = {
    "http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21, "ftps": 990, "sftp": 22, "scp": 22, "ssh": 22, "git": 9418,
    "telnet": 23, "smtp": 25, "smtps": 465, "imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995, "ldap": 389,
    "ldaps": 636, "rsync": 873, "tftp": 69, "gopher": 70, "dict": 2628, "rtsp": 554, "redis": 6379, "mqtt": 1883,
    "postgres": 5432, "postgresql": 5432, "mysql": 3306, "mongodb": 27017, "amqp": 5672, "svn": 3690, "git+ssh": 22,
    "ssh+git": 22, "git+https": 443, "socks5": 1080, "socks5h": 1080, "socks4": 1080,
}  # fmt: skip
"""Ports of schemes (IANA service names, November 2026; Redis and databases by their own documentation)."""

URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#\s\\]*)")
_SCP: Final = re.compile(r"(?:([^/:\s]+)@)?(\[[^\]]+\]|[^/:\s\[\]]+):(?!//)(.*)", re.DOTALL)
_HOST_PORT: Final = re.compile(r"(\[[^\]]*\]|[^:\s]*):([0-9]{1,5})")


def address(authority: str) -> tuple[str, int | None]:
    """Host and port of an authority, without user information."""
    host = authority.rpartition("@")[2]
    if found := _HOST_PORT.fullmatch(host):
        return found[1].strip("[]"), int(found[2])
    return host.strip("[]"), None


def note_url(run: Invocation, url: Arg, *, sends: bool = False, scheme: str = "") -> None:
    """Notes the host of a URL; one without a scheme has the program's own (`scheme`)."""
    text = url.text.strip()
    if scheme and not URL.match(text):
        text = f"{scheme}://{text}"
    found = URL.match(text)
    if found is None:
        return
    if found[1].lower() == "file":
        run.touch(Arg(text[len(found[0]) :], url.is_known), How.READ)
        return
    host, port = address(found[2])
    run.remote(
        host, port or PORTS.get(found[1].lower()), url.text, sends=sends, is_known=url.is_known and not _wild(host)
    )


def _wild(host: str) -> bool:
    return bool(re.search(r"[{}\[\]*]", host)) and ":" not in host


_CURL_SENDS: Final = listed("""
    -d --data --data-raw --data-binary --data-urlencode --data-ascii -F --form --form-string -T --upload-file --json
    --url-query
""")
_CURL_READS: Final = listed("""
    -K --config -E --cert --key --cacert -b --cookie --netrc-file --capath --proxy-cert
""")
_CURL_WRITES: Final = listed("""
    -o --output -D --dump-header -c --cookie-jar --trace --trace-ascii --output-dir --stderr --libcurl --etag-save
    --hsts --alt-svc
""")
_CURL_PLAIN: Final = listed("""
    -H --header -A --user-agent -X --request -u --user -e --referer -m --max-time --connect-timeout -w --write-out
    -r --range --retry --retry-delay -C --continue-at -Q --quote --limit-rate -y -Y -z -t --telnet-option
    --interface --ciphers -U --proxy-user --max-redirs --oauth2-bearer --aws-sigv4 --mail-from --mail-rcpt
    --max-filesize --tls-max --proto --noproxy -P
""")
_CURL_HOSTS: Final = listed("""
    -x --proxy --socks5 --socks5-hostname --socks4 --socks4a --preproxy --doh-url --url
""")
_CURL_VALUES: Final = frozenset(
    (*_CURL_SENDS, *_CURL_READS, *_CURL_WRITES, *_CURL_PLAIN, *_CURL_HOSTS, "--resolve", "--connect-to")
)


def curl(run: Invocation) -> None:
    """curl, as of 8.17."""
    options, operands = split(run.args, _CURL_VALUES)
    sends = has(options, *_CURL_SENDS)
    for url in [*operands, *values_of(options, "--url")]:
        note_url(run, url, sends=sends, scheme="http")
    for proxy in values_of(options, *(name for name in _CURL_HOSTS if name != "--url")):
        note_url(run, proxy, scheme="http")
    for value in values_of(options, "--connect-to", "--resolve"):
        parts = value.text.split(":")
        host = parts[2] if len(parts) > 2 else ""
        run.remote(host, int(parts[3]) if len(parts) > 3 and parts[3].isdecimal() else None, is_known=value.is_known)
    for value in values_of(options, *_CURL_SENDS):
        _sent_file(run, value)
    for value in values_of(options, "-T", "--upload-file", *_CURL_READS):
        run.touch(value, How.READ)
    if has(options, "-K", "--config"):
        run.hide("`curl` reads options from a file")
    for value in values_of(options, *_CURL_WRITES):
        run.touch(value, How.WRITE)
    for value in values_of(options, "-H", "--header", "-w", "--write-out"):
        if value.text.startswith("@"):
            run.touch(Arg(value.text[1:], value.is_known), How.READ)
    if has(options, "-O", "--remote-name", "-J"):
        for url in operands:
            name = url.text.partition("?")[0].rstrip("/").rpartition("/")[2]
            run.touch(Arg(name or "index.html", url.is_known), How.WRITE)


def _sent_file(run: Invocation, value: Arg) -> None:
    """`@path` in data, and `name=@path` or `name=<path` in a form."""
    head, equals, tail = value.text.partition("=")
    inner = tail if equals and tail[:1] in ("@", "<") else value.text
    if "@" in head and not equals:
        inner = "@" + head.partition("@")[2]
    if inner[:1] in ("@", "<") and len(inner) > 1:
        run.touch(Arg(inner[1:].partition(";")[0], value.is_known), How.READ)


_WGET_VALUES: Final = frozenset(
    listed("""
        -O -o -a -P -i -e -t -T -w -Q -U -A -R -D -X -I -l -B --output-document --output-file --directory-prefix
        --input-file --execute --tries --timeout --wait --user-agent --header --post-data --post-file --body-data
        --body-file --method --user --password --load-cookies --save-cookies --ca-certificate --certificate
        --private-key --referer --use-askpass
    """)
)


def wget(run: Invocation) -> None:
    """wget, as of 1.25."""
    options, operands = split(run.args, _WGET_VALUES)
    sends = has(options, "--post-data", "--post-file", "--body-data", "--body-file")
    for url in operands:
        note_url(run, url, sends=sends, scheme="http")
    for value in values_of(
        options, "-O", "--output-document", "-o", "-a", "-P", "--output-file", "--directory-prefix", "--save-cookies"
    ):
        run.touch(value, How.WRITE)
    for value in values_of(
        options, "-i", "--input-file", "--post-file", "--body-file", "--load-cookies", "--private-key"
    ):
        run.touch(value, How.READ)
    if has(options, "-i", "--input-file"):
        run.hide("`wget` reads addresses from a file")
    for value in values_of(options, "-e", "--execute"):
        name, _, setting = value.text.partition("=")
        if "proxy" in name:
            note_url(run, Arg(setting.strip(), value.is_known), scheme="http")
    for value in values_of(options, "--use-askpass"):
        run.text(value, "wget --use-askpass")
    if not has(options, "-O", "--output-document", "-i", "--input-file", "--spider"):
        for url in operands:
            name = URL.sub("", url.text, count=1).rstrip("/").rpartition("/")[2]
            run.touch(Arg(name or "index.html", url.is_known), How.WRITE)


def urls(run: Invocation) -> None:
    """A program that reaches the URLs among its arguments; it sends if it says so."""
    sends = any(one.text.upper() in ("POST", "PUT", "PATCH", "--DATA", "-D", "-F", "--FORM") for one in run.args)
    for one in run.args:
        note_url(run, one, sends=sends)


def httpie(run: Invocation) -> None:
    """`http [METHOD] URL [ITEM…]`."""
    _, operands = split(
        run.args, frozenset(["-o", "-a", "--output", "--auth", "--session", "--timeout", "--proxy", "--verify"])
    )
    if operands and operands[0].text.isupper() and len(operands) > 1:
        operands = operands[1:]
    if operands:
        note_url(run, operands[0], sends=len(operands) > 1, scheme=run.name if run.name == "https" else "http")
    for item in operands[1:]:
        if found := re.search(r"[=:]?@(.+)", item.text):
            run.touch(Arg(found[1], item.is_known), How.READ)


_NC_VALUES: Final = frozenset(
    listed("""
        -e -c -p -s -w -i -g -G -o -q -T -x -X -I -O -m --exec --sh-exec --proxy --output
    """)
)


def netcat(run: Invocation) -> None:
    """nc, ncat, netcat: a host and a port, and with `-e` and `-c` a program behind them."""
    options, operands = split(run.args, _NC_VALUES)
    for value in values_of(options, "-e", "--exec", "-c", "--sh-exec"):
        run.text(value, f"{run.name} -e")
    for value in values_of(options, "-x", "--proxy"):
        host, port = address(value.text)
        run.remote(host, port, is_known=value.is_known)
    for value in values_of(options, "-o", "--output"):
        run.touch(value, How.WRITE)
    if has(options, "-l", "--listen"):
        run.hide(f"`{run.name}` waits for connections")
        return
    if operands:
        port = operands[1].text if len(operands) > 1 else ""
        number = int(port) if port.isdecimal() and len(port) < 6 else None
        sends = run.stream is not TERMINAL or has(options, "-e", "-c", "--exec", "--sh-exec")
        run.remote(operands[0].text, number, sends=sends, is_known=all(one.is_known for one in operands))


_SSH_VALUES: Final = frozenset(
    listed("""
        -b -c -D -E -e -F -I -i -J -L -l -m -O -o -p -P -Q -R -S -W -w -B
    """)
)


def ssh(run: Invocation) -> None:
    """The host that is logged in to, those jumped over, and what is forwarded to."""
    options, operands = split(run.args, _SSH_VALUES, stops=True)
    port = next((int(value.text) for value in values_of(options, "-p", "-P") if value.text.isdecimal()), 22)
    if operands:
        text = operands[0].text
        found = URL.match(text)
        host, own = address(found[2]) if found else (text.rpartition("@")[2], None)
        sends = len(operands) > 1 or run.stream is not TERMINAL
        run.remote(host, own or port, sends=sends, is_known=operands[0].is_known)
    for value in values_of(options, "-J"):
        for hop in value.text.split(","):
            host, own = address(hop)
            run.remote(host, own or 22, is_known=value.is_known)
    for value in values_of(options, "-L", "-R", "-W"):
        parts = value.text.rsplit(":", 2)
        if len(parts) > 1 and parts[-1].isdecimal():
            run.remote(parts[-2], int(parts[-1]), is_known=value.is_known)


def copied(run: Invocation) -> None:
    """scp, rsync, sftp, rclone-like: operands are paths here, or `host:path`."""
    values = frozenset(
        listed("""
            -c -F -i -J -l -o -P -S -e --rsh --rsync-path --exclude --include --exclude-from --files-from -f -T -B
            -b
        """)
    )
    options, operands = split(run.args, values)
    port = next((int(value.text) for value in values_of(options, "-P") if value.text.isdecimal()), 22)
    for place, one in enumerate(operands):
        is_last = place == len(operands) - 1 and (len(operands) > 1 or run.name == "sftp")
        if URL.match(one.text):
            note_url(run, one, sends=is_last)
        elif run.name == "sftp":
            run.remote(one.text.rpartition("@")[2].partition(":")[0], port, sends=True, is_known=one.is_known)
        elif (found := _SCP.fullmatch(one.text)) and not re.fullmatch(r"[A-Za-z]:[\\/].*", one.text):
            run.remote(found[2].strip("[]"), port, one.text, sends=is_last, is_known=one.is_known)
        elif one.is_known or not is_last:
            run.touch(one, How.WRITE if is_last else How.READ)
        else:
            run.remote(one.text, None, sends=True, is_known=False)
    for value in values_of(options, "-e", "--rsh", "-S", "--rsync-path"):
        run.text(value, f"{run.name} -e")
    for value in values_of(options, "-o"):
        name, _, command = value.text.replace("=", " ", 1).partition(" ")
        if name.lower() in ("proxycommand", "localcommand", "knownhostscommand"):
            run.text(Arg(command, value.is_known), f"{run.name} -o")
    if has(options, "--delete", "--delete-after", "--delete-before", "--remove-source-files"):
        for one in operands[-1:]:
            run.touch(one, How.DELETE)


_HOST_VALUES: Final = frozenset(
    listed("""
        -p -P -h -H -t -T -u -U -d -a -n -c -k -W -i -s -w -m -l -q -x -y -b -f -r -S -I -e --host --port --url
        --uri
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


def cloud(run: Invocation) -> None:
    """aws, gsutil, gcloud, az, s3cmd, rclone, docker, kubectl: services by name. URLs and hosts that are written are noted."""
    for one in run.args:
        if found := re.match(r"(s3|gs|az|r2|b2)://([^/]+)", one.text):
            run.remote(found[2], 443, one.text, sends=True, is_known=one.is_known)
        elif URL.match(one.text):
            note_url(run, one, sends=True)
        elif found := re.match(r"--(?:endpoint-url|host|server)=(.+)", one.text):
            note_url(run, Arg(found[1], one.is_known), sends=True, scheme="https")


def git_remote(run: Invocation) -> None:
    """git: URLs, and `host:path`, of the commands that go to a remote."""
    _, operands = split(
        run.args, frozenset(["-c", "-C", "--git-dir", "--work-tree", "--exec-path", "--namespace"]), stops=True
    )
    if not operands or operands[0].text not in _GIT_REMOTE:
        return
    command, rest = operands[0].text, operands[1:]
    for one in rest:
        if one.text.startswith("ext::"):
            run.text(Arg(re.sub(r"%[sSGV]", "", one.text[5:]), one.is_known), "git ext::")
        elif URL.match(one.text):
            note_url(run, one, sends=command == "push")
        elif (found := _SCP.fullmatch(one.text)) and not one.text.startswith("-") and command != "push":
            run.remote(found[2].strip("[]"), 22, one.text, is_known=one.is_known)
        elif found and command == "push" and "." in found[2]:
            run.remote(found[2].strip("[]"), 22, one.text, sends=True, is_known=one.is_known)
        elif not one.is_known:
            run.remote(one.text, None, sends=command == "push", is_known=False)


_GIT_REMOTE: Final = frozenset(["clone", "fetch", "pull", "push", "ls-remote", "remote", "submodule", "archive"])
