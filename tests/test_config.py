"""The configuration file: what is accepted, and what an operator is told about what is not."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from gateway.config import Config, audit_folder, ca_folder, load, parse, secret, secrets, state_folder, variables
from gateway.errors import ConfigError
from gateway.limits.rule import AtLimit, By
from gateway.policy.egress.providers import PROVIDERS
from gateway.settings import BUILT_IN, Agent, EgressTable, LimitTable, McpServer, PriceTable, Upstream
from gateway.settings.approvals import ApprovalsTable, ApproverTable
from gateway.settings.arguments import ArgumentTable
from gateway.settings.gateway import Admin, Gateway
from gateway.settings.hosted import HostedTable
from gateway.settings.proxy import Proxy
from gateway.settings.records import AuditTable, Log
from gateway.settings.rules import HierarchyTable, Rules, Thresholds
from gateway.settings.store import StoreTable
from gateway.settings.tools import ResultTable, ToolTable
from gateway.state.limit import OnError
from gateway.units import Address
from gateway.verdict import Effect

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"
DENY = "[egress.a]\naction = 'deny'\n"
ENTRY = "[egress.a]\nhosts = ['a.example']\naction = 'inspect'\n"


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "gate.toml")
    return caught.value.problems


def uncommented(text: str) -> str:
    """The example with its commented keys and tables taken in, one of two that exclude each other left out."""
    lines = (re.sub(r'^# (?=\[?[a-z0-9_."*-]+(?: = .+|\])$)', "", line) for line in text.splitlines())
    left_out = ("secret_file", "key_env", "token_sha256", "webhook =")
    return "\n".join(line for line in lines if not line.startswith(left_out))


class TestExample:
    def test_it_loads_and_shows_the_defaults(self) -> None:
        assert load(EXAMPLE) == Config()

    def test_its_commented_examples_are_accepted_too(self) -> None:
        config = parse(uncommented(EXAMPLE.read_text()), str(EXAMPLE))
        assert config.agents["research"].profile == "strict"
        assert config.mcp["github"].idle_timeout is None
        assert config.limits["slow"] == LimitTable(
            requests=60,
            input_tokens=100_000,
            output_tokens=20_000,
            tokens=110_000,
            cost=5.0,  # type: ignore[arg-type]  # as it is written
            concurrency=8,
            burst=10,
            by=(By.AGENT, By.UPSTREAM),
            agents=("default",),
            upstreams=("openai",),
            models=("gpt-5*",),
            at_limit=AtLimit.SWITCH,
            switch_to="gpt-5-mini",
            on_error=OnError.DENY,
        )
        assert config.rules.effects == {"pii.email": Effect.REDACT, "hidden.bare.comment": Effect.ALLOW}
        assert config.egress["git"].entry("git").methods == {"GET", "HEAD"}

    def test_it_names_each_provider_that_is_built_in(self) -> None:
        text = " ".join(EXAMPLE.read_text().replace("\n# ", " ").split())
        *others, last = PROVIDERS
        assert f"the providers {', '.join(others)} and {last} (" in text

    def test_each_key_of_the_schema_occurs_in_it_with_a_comment(self) -> None:
        lines = EXAMPLE.read_text().splitlines()
        for table, key in schema_keys():
            at = position(lines, table, key)
            assert at is not None, f"{table}.{key}"
            assert re.match(r"# [A-Z\"]", lines[at - 1]), f"{table}.{key} has no comment above it"


def schema_keys() -> Iterator[tuple[str, str]]:
    tables: dict[str, type[BaseModel]] = {
        "gateway": Gateway,
        "proxy": Proxy,
        "admin": Admin,
        "store": StoreTable,
        "rules": Rules,
        "rules.thresholds": Thresholds,
        "upstreams.openai": Upstream,
        "mcp.github": McpServer,
        "agents.research": Agent,
        "limits.slow": LimitTable,
        'prices."gpt-5*"': PriceTable,
        "egress.git": EgressTable,
        "approvals": ApprovalsTable,
        "approvers.alice": ApproverTable,
        "tools.send_email": ToolTable,
        "tools.send_email.result": ResultTable,
        "tools.send_email.arguments.to": ArgumentTable,
        "hosted": HostedTable,
        "hierarchy": HierarchyTable,
        "audit": AuditTable,
        "log": Log,
    }
    assert {name.partition(".")[0] for name in tables} == set(Config.model_fields)
    apart = {"rules.effects", "tools.send_email.arguments", "tools.send_email.sinks", *tables}
    for name, table in tables.items():
        keys = [field.alias or key for key, field in table.model_fields.items() if f"{name}.{key}" not in apart]
        yield from ((SINKS.get(key, name) if table is ArgumentTable else name, key) for key in keys)


SINKS = {
    **dict.fromkeys(("root", "ignore_case"), "tools.read_file.arguments.path"),
    **dict.fromkeys(("hosts", "deny_hosts", "ports", "schemes", "paths", "reach"), "tools.fetch.arguments.url"),
    **dict.fromkeys(("programs", "deny_programs", "writes", "opaque"), "tools.run.arguments.command"),
    **dict.fromkeys(("statements", "tables", "deny_tables", "where_required", "dialect"), "tools.query.arguments.sql"),
}
"""The tables of the example that have the keys of arguments of one sort."""


def position(lines: list[str], table: str, key: str) -> int | None:
    """The line of a key below the header of its table, commented or not."""
    current = ""
    for number, line in enumerate(lines):
        if header := re.match(r"(?:# )?\[([a-z0-9_.\"*-]+)\]$", line):
            current = header[1]
        elif current == table and re.match(rf"(?:# )?{key} = ", line):
            return number
    return None


class TestAccepted:
    def test_an_empty_file_gives_the_defaults(self) -> None:
        assert parse("", "gate.toml") == Config()
        assert Config().gateway.listen == Address("127.0.0.1", 8080)
        assert set(Config().upstreams) == set(BUILT_IN)

    def test_the_value_is_frozen(self) -> None:
        config = parse("[agents.a]\nkey_env = 'K'", "gate.toml")
        with pytest.raises(ValidationError, match="frozen"):
            config.rules.profile = "monitor"
        agents: Any = config.agents
        with pytest.raises(TypeError):
            agents["b"] = config.agents["a"]

    def test_quantities_have_units(self) -> None:
        text = '[gateway]\nmax_request = "1MiB"\nmax_event = 100\nidle_timeout = "none"\ndrain = "1.5m"'
        gateway = parse(text, "gate.toml").gateway
        assert (gateway.max_request, gateway.max_event, gateway.idle_timeout, gateway.drain) == (2**20, 100, None, 90.0)

    def test_a_built_in_upstream_may_get_a_single_key(self) -> None:
        upstreams = parse('[upstreams.openai]\napi_key_env = "K"', "gate.toml").upstreams
        assert upstreams["openai"] == Upstream(dialect="openai", base_url="https://api.openai.com", api_key_env="K")
        assert upstreams["anthropic"] == Config().upstreams["anthropic"]

    def test_a_new_upstream_stands_beside_the_built_in_ones(self) -> None:
        text = '[upstreams.local-1]\ndialect = "http"\nbase_url = "http://[::1]:9/v1/"\nverify = false'
        upstreams = parse(text, "gate.toml").upstreams
        assert upstreams["local-1"].base_url == "http://[::1]:9/v1"
        assert set(upstreams) == {*BUILT_IN, "local-1"}

    def test_paths_start_at_the_folder_of_the_file(self, tmp_path: Path) -> None:
        file = tmp_path / "gate.toml"
        file.write_text('[rules]\nfolders = ["mine", "/abs"]\n[gateway]\nstate_dir = "state"')
        config = load(file)
        assert config.rules.folders == (tmp_path / "mine", Path("/abs"))
        assert config.gateway.state_dir == tmp_path / "state"

    def test_the_proxy_is_limited_to_names_and_agents_told_what_to_reach_without_it(self) -> None:
        unproxied = ("localhost", ".example.com", "10.0.0.0/8", "::1", "fd00::/8", "my_host")
        text = (
            f'[proxy]\nno_proxy = {list(unproxied)}\nname_constraints = ["a.b", "10.0.0.0/8"]\nleaf_lifetime = "396d"'
        )
        proxy = parse(text, "gate.toml").proxy
        assert proxy.no_proxy == unproxied
        assert proxy.name_constraints == ("a.b", ip_network("10.0.0.0/8"))
        assert proxy.leaf_lifetime == 396 * 86400

    def test_delimiters_are_pairs(self) -> None:
        config = parse('[hierarchy]\ndelimiters = [["<a>", "</a>"]]', "gate.toml")
        assert config.hierarchy.delimiters == (("<a>", "</a>"),)


class TestProblems:
    def test_all_are_given_at_once_in_order_with_their_lines(self) -> None:
        text = (
            '[gateway]\nlisten = "nowhere"\n\n[admin]\ntoken = "t"\n\n[rules]\nprofile = "lax"\nreload = "yes"\n'
            '\n[agents.a]\nkey_env = "K"\nlimits = ["fast"]\n'
        )
        assert "\n".join(problems(text)) == (
            'gate.toml:2: gateway.listen: `nowhere` is no address; accepted: "host:port" such as "127.0.0.1:8080" or '
            '"[::1]:8080"\n'
            "gate.toml:5: admin.token: unknown key; did you mean `token_env`? accepted: listen, token_env\n"
            "gate.toml:8: rules.profile: `lax` is unknown; accepted: monitor, balanced or strict\n"
            "gate.toml:9: rules.reload: `yes` is no switch; accepted: true or false\n"
            "gate.toml:13: agents.a.limits: `fast` is not configured; accepted: none, as there is no [limits.NAME]"
        )

    @pytest.mark.parametrize(
        ("text", "line", "what"),
        [
            (
                "[gateway]\nworkers = 0",
                2,
                "gateway.workers: `0` is no number of workers; accepted: a whole number from 1",
            ),
            ("[gateway]\nworkers = 257", 2, "gateway.workers: `257` is no number of workers; accepted:"),
            ("[gateway]\nworkers = true", 2, "gateway.workers: `true` is no number of workers; accepted:"),
            ("[gateway]\nworkers = '2'", 2, "gateway.workers: `2` is no number of workers; accepted:"),
            ("x = 1", 1, "x: unknown key; accepted: gateway, proxy, admin, store, rules,"),
            ("[upstream.a]", 1, "upstream: unknown key; did you mean `upstreams`?"),
            ("[rules.thresholds]\ndato = 1", 2, "rules.thresholds.dato: unknown key; did you mean `data`?"),
            ("[limits.a]\nrequests = 1\nburts = 1", 3, "limits.a.burts: unknown key; did you mean `burst`?"),
            ("[limits.a]", 1, "limits.a: counts nothing; accepted: one or more of requests, input_tokens, "),
            ("[limits.a]\ntokens = 1\nper = 'year'", 3, "limits.a.per: `year` is no duration; accepted:"),
            ("[limits.a]\ncost = 0", 2, "limits.a.cost: `0` is no cost; accepted: a number above 0, up to 9000000"),
            ("[limits.a]\ncost = true", 2, "limits.a.cost: `true` is no cost; accepted:"),
            ("[limits.a]\nconcurrency = 1\nlease = '1s'", 3, "limits.a.lease: `1s` is too short a lease; accepted:"),
            ("[limits.a]\ntokens = 1\nburst = 1", 1, "limits.a: has a burst of nothing; accepted: `burst` with"),
            ("[limits.a]\ntokens = 1\nat_limit = 'switch'", 1, "limits.a: switches to no model, or at no limit;"),
            ("[limits.a]\ntokens = 1\nswitch_to = 'm'", 1, "limits.a: switches to no model, or at no limit;"),
            ("[limits.a]\ntokens = 1\nby = ['tool']", 1, "limits.a: counts by tool and names none; accepted: `tools`"),
            ("[limits.a]\ntokens = 1\nmodels = ['a*b']", 3, "limits.a.models: `a*b` is no name; accepted: a name such"),
            ("[limits.a]\ntokens = 1\ndomains = ['A.b']", 3, "limits.a.domains: `A.b` is not in normal form;"),
            ("[prices.'a*b']\ninput = 1\noutput = 1", 1, "prices.a*b: is no name; accepted: a name such as"),
            ("[prices.m]\ninput = -1\noutput = 1", 2, "prices.m.input: `-1` is no price; accepted: a number from 0"),
            ("[prices.m]\ninput = 1", 1, "prices.m.output: is missing"),
            ("[limits.a]\nrequests = 0", 2, "limits.a.requests: `0` is too small; accepted: 1 or more"),
            ("[limits.a]\nrequests = '9'", 2, "limits.a.requests: `9` is no number; accepted: a whole number"),
            ("[limits.a]\nrequests = 1\nper = 60", 3, "limits.a.per: `60` is no duration; accepted:"),
            ("[limits.a]\nrequests = 1\nagents = ['b']", 3, "`b` is not configured; accepted: default"),
            ("[limits.a]\nrequests = 1\nupstreams = ['b']", 3, "`b` is not configured; accepted: openai, anthropic,"),
            ("[limits.'A b']\nrequests = 1", 1, "limits.A b: is no name; accepted: lower-case letters"),
            ("log = 5", 1, "log: `5` is no table; accepted: a table"),
            ("upstreams = 5", 1, "upstreams: `5` is no table; accepted: a table"),
            ("[upstreams]\nopenai = 5", 2, "upstreams.openai: `5` is no table; accepted: a table"),
            ("[log]\nlevel = ['a']", 2, "log.level: `['a']` is unknown; accepted: debug, info, warning or error"),
            ("[log]\nformat = 'xml'", 2, "log.format: `xml` is unknown; accepted: console or json"),
            ("[rules]\npacks = 'pii'", 2, "rules.packs: `pii` is no array; accepted: an array such as"),
            ("[rules]\npacks = [\n 1]", 2, "rules.packs: `1` is no string; accepted: text in quotes"),
            ("[rules]\nfolders = ['']", 2, "rules.folders: `` is no path; accepted: text, relative to"),
            ("[rules]\neffects = { x = 'blok' }", 2, "rules.effects.x: `blok` is no effect; accepted: allow, report,"),
            ("[upstreams.mcp]\ndialect = 'http'\nbase_url = 'http://a'", 1, "upstreams.mcp: is reserved for the gate"),
            ("[upstreams._a]\ndialect = 'http'\nbase_url = 'http://a'", 1, "upstreams._a: is no name; accepted:"),
            ("[agents.a]", 1, "agents.a: cannot be recognised; accepted: one of `key_env`, `key_sha256` and `ad"),
            ("[agents.default]\nkey_env = 'K'", 1, "agents.default: is what a caller without a gateway key is called"),
            ("[agents.a]\nkey_env = 'sk-1'", 2, "agents.a.key_env: no name of an environment variable; accepted:"),
            ("[agents.a]\nkey_sha256 = 'AB'", 2, "agents.a.key_sha256: no SHA-256 digest of a key; accepted: 64"),
            (
                "[gateway]\nsecret_env = 'A'\nsecret_file = 'b'",
                1,
                "gateway: has two secrets; accepted: `secret_env`",
            ),
            (
                "[proxy]\nleaf_lifetime = '397d'",
                2,
                "proxy.leaf_lifetime: `397d` is no lifetime of a certificate; accepted",
            ),
            (
                "[proxy]\nleaf_lifetime = '59m'",
                2,
                "proxy.leaf_lifetime: `59m` is no lifetime of a certificate; accepted: ",
            ),
            (
                "[proxy]\nname_constraints = ['*.a']",
                2,
                "proxy.name_constraints: `*.a` is no host; accepted: a domain such",
            ),
            ("[proxy]\nname_constraints = [5]", 2, "proxy.name_constraints: `` is no host; accepted: a domain such as"),
            (
                "[proxy]\nhop = '0.0.0.0:8083'",
                2,
                "proxy.hop: `0.0.0.0:8083` is no address of this machine alone; ",
            ),
            ("[proxy]\nhop = 'localhost:8083'", 2, "proxy.hop: `localhost:8083` is no address of this machine alone; "),
            ("[proxy]\nhop = '127.0.0.1:0'", 2, "proxy.hop: `127.0.0.1:0` is no address of this machine alone; "),
            ("[proxy]\nhop = 5", 2, "proxy.hop: `5` is no address; accepted: "),
            ("[proxy]\nlisten = ':1'", 2, "proxy.listen: `:1` is no address; accepted: "),
            ("[egress.a]\naction = 'deny'", 1, "egress.a.hosts: is missing"),
            ("[egress.a]\nhosts = ['a']", 1, "egress.a.action: is missing"),
            (f"{ENTRY}host = 'a'", 4, "egress.a.host: unknown key; did you mean `hosts`? accepted: hosts, action,"),
            (f"{DENY}hosts = []", 3, "egress.a.hosts: is empty; accepted: one or more"),
            (
                "[egress.a]\naction = 'deny'\nhosts = ['A.b']",
                3,
                'egress.a.hosts: `A.b` is not in normal form; write "a.b"',
            ),
            (f"{DENY}hosts = [5]", 3, "egress.a.hosts: `5` is no text; accepted: text in quotes"),
            (f"{DENY}hosts = ['']", 3, "egress.a.hosts: `` is no text; accepted: text in quotes"),
            (
                "[egress.a]\nhosts = ['a']\naction = 'allow'",
                3,
                "egress.a.action: `allow` is unknown; accepted: inspect, tu",
            ),
            (
                "[egress.a]\nhosts = ['*.com']\naction = 'tunnel'",
                1,
                "egress.a: allows all of `*.com`; accepted: two",
            ),
            (f"{ENTRY}ports = [0]", 4, "egress.a.ports: `0` is no port; accepted: a whole"),
            (
                f"{ENTRY}ports = [true]",
                4,
                "egress.a.ports: `true` is no port; accepted: a whole number from 1",
            ),
            (
                f"{ENTRY}ports = ['443']",
                4,
                "egress.a.ports: `443` is no port; accepted: a whole number from 1",
            ),
            (f"{ENTRY}methods = ['get']", 4, 'egress.a.methods: `get` is not in normal form; write "GET"'),
            (f"{ENTRY}paths = ['v1']", 4, 'egress.a.paths: `v1` does not start with a slash; write "/v1"'),
            (f"{ENTRY}addresses = ['10.1']", 4, 'egress.a.addresses: `10.1` is not in normal form; write "10.0.0.1"'),
            (f"{ENTRY}agents = ['b']", 4, "egress.a.agents: `b` is not configured; accepted: default"),
            (
                "[egress.'A b']\nhosts = ['a']\naction = 'deny'",
                1,
                "egress.A b: is no name; accepted: lower-case",
            ),
            (
                "[egress.a]\nhosts = ['a']\naction = 'tunnel'\npaths = ['/a']",
                1,
                "egress.a: tunnels, where no method or path is seen; accepted: `inspect`, or none of these",
            ),
            (
                "[egress.a]\nhosts = ['a']\naction = 'deny'\naddresses = ['10.0.0.1']",
                1,
                "egress.a: denies, and lists `addresses` to be dialled; accepted: addresses to deny in `hosts`",
            ),
            ("[hierarchy]\ndelimiters = [['a']]", 2, "hierarchy.delimiters: no pair of delimiters; accepted:"),
            ("[hierarchy]\ndelimiters = [['a', ' ']]", 2, "hierarchy.delimiters: no pair of delimiters; accepted:"),
        ],
    )
    def test_one(self, text: str, line: int, what: str) -> None:
        (problem,) = problems(text)
        assert problem.startswith(f"gate.toml:{line}: ")
        assert what in problem

    @pytest.mark.parametrize(
        "entry",
        [
            "*",
            "*.a",
            "",
            "[::1]",
            "a,b",
            "a b",
            "http://a",
            "a:80",
            "a/b",
            "a/",
            "..",
            "é",
            "/8",
            ".10.0.0.0/8",
            "fe80::1%e",
        ],
    )
    def test_what_clients_read_differently_in_no_proxy_is_refused(self, entry: str) -> None:
        (problem,) = problems(f"[proxy]\nno_proxy = ['{entry}']")
        assert problem.startswith(f"gate.toml:2: proxy.no_proxy: `{entry}` is no host that all clients read alike; acc")

    @pytest.mark.parametrize(
        "url",
        [
            *("5", "''", "'ftp://a'", "'a.com'", "'http://'", "'http://u:pw@a'", "'http://a?b'", "'http://a#b'"),
            *("'http://a:0'", "'http://a:x'", "'http://a b'", "'http://a\\b'", "'http://ä'", "'http://[a'"),
        ],
    )
    def test_a_base_url_that_cannot_be_one_is_refused_and_not_repeated(self, url: str) -> None:
        (problem,) = problems(f"[upstreams.ollama]\nbase_url = {url}")
        assert problem.startswith("gate.toml:2: upstreams.ollama.base_url: no")
        assert 'accepted: "https://host"' in problem
        assert "pw" not in problem

    def test_broken_toml_names_its_line(self) -> None:
        assert problems("[log]\nlevel 5") == ("gate.toml:2: not TOML: expected '=' after a key in a key/value pair",)
        assert problems("[log]\nlevel =") == ("gate.toml: not TOML: invalid value (at end of document)",)

    def test_a_missing_or_binary_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            load(tmp_path / "none.toml")
        assert caught.value.problems == (f"{tmp_path / 'none.toml'}: cannot be read: no such file or directory",)
        (tmp_path / "bin.toml").write_bytes(b"\xff")
        with pytest.raises(ConfigError) as caught:
            load(tmp_path / "bin.toml")
        assert caught.value.problems == (f"{tmp_path / 'bin.toml'}: cannot be read: is not utf-8 text",)


class TestState:
    @pytest.mark.parametrize(
        ("environ", "folder"),
        [
            ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/lockgate"),
            ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/lockgate"),
            ({"HOME": "/h"}, "/h/.local/state/lockgate"),
        ],
    )
    def test_the_default_folder_follows_the_xdg_specification(self, environ: dict[str, str], folder: str) -> None:
        assert state_folder(Config(), environ) == Path(folder)
        assert audit_folder(Config(), environ) == Path(folder) / "audit"
        assert ca_folder(Config(), environ) == Path(folder) / "ca"

    def test_configured_folders_win(self) -> None:
        config = parse('[gateway]\nstate_dir = "/s"\n[audit]\nfolder = "/a"\n[proxy]\nca_dir = "/c"', "gate.toml")
        assert state_folder(config, {}) == Path("/s")
        assert audit_folder(config, {}) == Path("/a")
        assert ca_folder(config, {}) == Path("/c")

    def test_without_a_home_the_key_is_asked_for(self) -> None:
        with pytest.raises(ConfigError) as caught:
            state_folder(Config(), {})
        assert caught.value.problems == ("gateway.state_dir: is needed where neither XDG_STATE_HOME nor HOME is set",)


class TestSecret:
    def test_it_is_made_in_the_state_folder_on_the_first_run(self, tmp_path: Path) -> None:
        environ = {"XDG_STATE_HOME": str(tmp_path)}
        made = secret(Config(), environ)
        assert (tmp_path / "lockgate" / "secret").read_text().strip().encode() == made
        assert secret(Config(), environ) == made

    def test_a_named_file_or_variable_is_used(self, tmp_path: Path) -> None:
        config = parse(f'[gateway]\nsecret_file = "{tmp_path}/s"', "gate.toml")
        assert secret(config, {}) == (tmp_path / "s").read_text().strip().encode()
        config = parse('[gateway]\nsecret_env = "S"', "gate.toml")
        assert secret(config, {"S": "x" * 16}) == b"x" * 16

    def test_a_missing_or_short_variable_is_named(self) -> None:
        config = parse('[gateway]\nsecret_env = "S"', "gate.toml")
        for environ, what in (({}, "environment variable S is not set"), ({"S": "short"}, "the secret is too short")):
            with pytest.raises(ConfigError) as caught:
                secret(config, environ)
            assert what in caught.value.problems[0]


class TestSecrets:
    TEXT = (
        '[upstreams.openai]\napi_key_env = "UP"\n[agents.a]\nkey_env = "A"\n'
        f'[agents.b]\nkey_sha256 = "{hashlib.sha256(b"key-b").hexdigest()}"\n[admin]\ntoken_env = "T"'
    )

    def test_they_are_read_by_name_and_never_shown(self) -> None:
        held = secrets(parse(self.TEXT, "gate.toml"), {"UP": "up-key", "A": "key-a", "T": "token"})
        assert held.upstream_keys == {"openai": "up-key"}
        assert (held.agent("key-a"), held.agent("key-b"), held.agent("other")) == ("a", "b", None)
        assert held.admin_token == "token"
        assert repr(held) == "Secrets()"

    def test_they_are_known_by_the_variables_that_hold_them(self) -> None:
        text = '[gateway]\nsecret_env = "S"\n[mcp.docs]\nurl = "https://h"\napi_key_env = "M"\n'
        config = parse(text + self.TEXT, "gate.toml")
        assert variables(config) == {"S", "M", "UP", "A", "T"}
        assert variables(Config()) == frozenset()
        held = secrets(config, {"UP": "up-key", "A": "key-a", "T": "token", "M": "mcp-key"})
        assert held.upstream_keys == {"openai": "up-key", "mcp/docs": "mcp-key"}

    def test_limits_may_name_an_mcp_server(self) -> None:
        text = '[limits.slow]\nrequests = 1\nupstreams = ["mcp/docs"]\n'
        config = parse('[mcp.docs]\nurl = "https://h/mcp/"\n' + text, "gate.toml")
        assert config.mcp["docs"].url == "https://h/mcp/"
        assert [rule.name for rule in config.terms_for("default", "mcp/docs").rules] == ["slow"]
        with pytest.raises(ConfigError, match="`mcp/docs` is not configured"):
            parse(text, "gate.toml")

    def test_every_missing_variable_is_named_with_the_key_that_asked_for_it(self) -> None:
        with pytest.raises(ConfigError) as caught:
            secrets(parse(self.TEXT, "gate.toml"), {"A": ""})
        assert caught.value.problems == (
            "upstreams.openai.api_key_env: environment variable UP is not set; set it, or take the key out",
            "agents.a.key_env: environment variable A is not set; set it, or take the key out",
            "admin.token_env: environment variable T is not set; set it, or take the key out",
        )

    def test_two_agents_cannot_share_a_key(self) -> None:
        with pytest.raises(ConfigError) as caught:
            secrets(parse(self.TEXT, "gate.toml"), {"UP": "k", "A": "key-b", "T": "t"})
        assert caught.value.problems == ("agents.b: has the same key as `a`; accepted: a key of its own",)
