"""Which arguments of common programs are hosts, and whether data is sent along."""

from __future__ import annotations

import re
from typing import Final

from gateway.policy.commands.evaluate.value import Arg
from gateway.policy.commands.listing import listed
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.options import Options, has, split, values_of
from gateway.policy.commands.report import How

PORTS: Final = {
    "http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21, "ftps": 990, "sftp": 22, "scp": 22, "ssh": 22,
    "git": 9418,
    "telnet": 23, "smtp": 25, "smtps": 465, "imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995, "ldap": 389,
    "ldaps": 636, "rsync": 873, "tftp": 69, "gopher": 70, "dict": 2628, "rtsp": 554, "redis": 6379, "mqtt": 1883,
    "postgres": 5432, "postgresql": 5432, "mysql": 3306, "mongodb": 27017, "amqp": 5672, "svn": 3690, "git+ssh": 22,
    "ssh+git": 22, "git+https": 443, "socks5": 1080, "socks5h": 1080, "socks4": 1080,
}  # fmt: skip
"""Ports of schemes (IANA service names, November 2026; Redis and databases by their own documentation)."""


URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#\s\\]*)")


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
    _curl_files(run, options, operands)


def _curl_files(run: Invocation, options: Options, operands: list[Arg]) -> None:
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


def cloud(run: Invocation) -> None:
    """aws, gsutil, gcloud, az, s3cmd, rclone, docker, kubectl: URLs and hosts that are written are noted."""
    for one in run.args:
        if found := re.match(r"(s3|gs|az|r2|b2)://([^/]+)", one.text):
            run.remote(found[2], 443, one.text, sends=True, is_known=one.is_known)
        elif URL.match(one.text):
            note_url(run, one, sends=True)
        elif found := re.match(r"--(?:endpoint-url|host|server)=(.+)", one.text):
            note_url(run, Arg(found[1], one.is_known), sends=True, scheme="https")
