"""The egress decision: default deny, denial first, then the closest entry, and the reason each time."""

from __future__ import annotations

import tomllib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import parse
from gateway.policy.egress.entry import Action, Entry, Scheme
from gateway.policy.egress.policy import EgressDecision, EgressPolicy
from tests.policy.egress.lists import entry, policy

HTTPS, HTTP = Scheme.HTTPS, Scheme.HTTP

SITE = entry("egress.site", "site.example *.site.example")
READ = entry("egress.read", "api.site.example", methods="GET HEAD", paths="/v1/files /public")
RAW = entry("egress.raw", "*.raw.example", "tunnel", ports=(443, 8443))
CLEAR = entry("egress.clear", "clear.example", ports=(80,))
BAD = entry("egress.bad", "bad.site.example *.bad.site.example", "deny", ports=())
TRUSTED = entry("egress.trusted", "api.site.example", agents="ci")
LIST = policy(SITE, READ, RAW, CLEAR, BAD, TRUSTED)


def decide(
    host: str,
    port: int = 443,
    method: str | None = None,
    path: str | None = None,
    *,
    scheme: Scheme = HTTPS,
    principal: str = "default",
    among: EgressPolicy = LIST,
) -> EgressDecision:
    return among.decide(principal, scheme, host, port, method, path)


class TestHosts:
    @pytest.mark.parametrize(
        ("host", "port", "action", "reason"),
        [
            ("site.example", 443, "inspect", "[egress.site] allows `site.example:443`"),
            ("SITE.example.", 443, "inspect", "[egress.site] allows `site.example:443`"),
            ("a.b.site.example", 443, "inspect", "[egress.site] allows `a.b.site.example:443`"),
            ("x.raw.example", 8443, "tunnel", "[egress.raw] allows `x.raw.example:8443` uninspected"),
            ("raw.example", 443, "deny", "no entry of [egress] names `raw.example:443` for `default`"),
            ("site.example", 80, "deny", "no entry of [egress] names `site.example:80` for `default`"),
            ("notsite.example", 443, "deny", "no entry of [egress] names `notsite.example:443` for `default`"),
            ("site.example.evil.example", 443, "deny", "no entry of [egress] names `site.example.evil.example:443`"),
            ("8.8.8.8", 443, "deny", "no entry of [egress] names `8.8.8.8:443` for `default`"),
            ("bad.site.example", 443, "deny", "[egress.bad] denies `bad.site.example:443`"),
            ("x.BAD.site.example", 9, "deny", "[egress.bad] denies `x.bad.site.example:9`"),
            ("user@site.example", 443, "deny", "the host holds user information"),
            ("site.example\0.evil.example", 443, "deny", "the host holds a NUL"),
            ("site.example", 0, "deny", "port 0 is out of range; accepted: 1 to 65535"),
            ("site.example", 65536, "deny", "port 65536 is out of range; accepted: 1 to 65535"),
        ],
    )
    def test_a_host_and_port_is_allowed_by_an_entry_or_not_at_all(
        self, host: str, port: int, action: str, reason: str
    ) -> None:
        decision = decide(host, port)
        assert decision.action == action
        assert decision.reason.startswith(reason)

    def test_the_decision_has_the_host_in_normal_form_and_what_decided(self) -> None:
        decision = decide("A。site.example.")
        assert (str(decision.host), decision.port, decision.entry, str(decision.pattern)) == (
            "a.site.example",
            443,
            SITE,
            "*.site.example",
        )

    def test_an_empty_list_allows_nothing(self) -> None:
        assert decide("site.example", among=policy()).action is Action.DENY


class TestRequests:
    @pytest.mark.parametrize(
        ("method", "path", "action", "reason"),
        [
            (None, None, "inspect", "[egress.read] allows `api.site.example:443`"),
            ("GET", None, "inspect", "[egress.read] allows `api.site.example:443`"),
            ("GET", "/v1/files/x?y=/..", "inspect", "[egress.read] allows `api.site.example:443`"),
            ("HEAD", "/public", "inspect", "[egress.read] allows `api.site.example:443`"),
            ("POST", "/public", "deny", "[egress.read] allows GET, HEAD to `api.site.example:443` and no other method"),
            ("get", "/public", "deny", "[egress.read] allows GET, HEAD to `api.site.example:443` and no other method"),
            (
                "GET",
                "/v1/files2",
                "deny",
                "[egress.read] allows /v1/files, /public at `api.site.example:443` and no other path",
            ),
            (
                "GET",
                "/public/%2e%2e/admin",
                "deny",
                (
                    "[egress.read] allows /v1/files, /public at `api.site.example:443` and no other path; "
                    "this one can be read in more ways than one"
                ),
            ),
        ],
    )
    def test_the_closest_entry_speaks_alone(
        self, method: str | None, path: str | None, action: str, reason: str
    ) -> None:
        decision = decide("api.site.example", 443, method, path)
        assert (decision.action, decision.reason) == (action, reason)

    def test_an_entry_that_names_the_caller_is_closer_than_one_for_everybody(self) -> None:
        assert decide("api.site.example", 443, "POST", "/x", principal="ci").entry is TRUSTED

    def test_a_closer_host_counts_before_the_caller(self) -> None:
        among = policy(entry("egress.a", "*.site.example", "tunnel", agents="ci"), entry("egress.b", "a.site.example"))
        assert decide("a.site.example", principal="ci", among=among).action is Action.INSPECT

    def test_entries_that_are_equally_close_add_up(self) -> None:
        among = policy(entry("egress.a", "a.example", methods="GET"), entry("egress.b", "a.example", methods="POST"))
        assert [decide("a.example", 443, method, "/", among=among).action for method in ("GET", "POST", "PUT")] == [
            "inspect",
            "inspect",
            "deny",
        ]

    @pytest.mark.parametrize("order", [1, -1])
    def test_of_equally_close_actions_the_stricter_holds(self, order: int) -> None:
        both = [entry("egress.a", "a.example", "tunnel"), entry("egress.b", "a.example")][::order]
        assert decide("a.example", among=policy(*both)).reason == "[egress.b] allows `a.example:443`"


class TestDenials:
    PART = entry("egress.part", "*.site.example", "deny", ports=(), methods="DELETE", paths="/admin")
    AMONG = policy(SITE, PART)

    @pytest.mark.parametrize(
        ("method", "path", "action"),
        [
            ("DELETE", "/admin/x", "deny"),
            ("delete", "/x/../ADMIN", "deny"),
            ("DELETE", "/%00", "deny"),
            ("DELETE", "/administrator", "inspect"),
            ("GET", "/admin", "inspect"),
            ("DELETE", None, "inspect"),  # asked again when the path is known
            (None, None, "inspect"),
        ],
    )
    def test_a_denial_may_be_about_some_requests(self, method: str | None, path: str | None, action: str) -> None:
        decision = decide("a.site.example", 443, method, path, among=self.AMONG)
        assert decision.action == action
        if action == "deny":
            assert decision.reason == "[egress.part] denies requests of that method and path to `a.site.example:443`"

    def test_nothing_that_has_to_be_seen_goes_into_a_tunnel(self) -> None:
        among = policy(entry("egress.tunnel", "a.site.example", "tunnel"), self.PART)
        decision = decide("a.site.example", among=among)
        assert (decision.action, decision.reason) == (
            Action.DENY,
            (
                "[egress.part] denies some requests to `a.site.example:443`, "
                "and nothing is seen in the tunnel of [egress.tunnel]"
            ),
        )

    def test_a_denial_may_be_for_some_callers(self) -> None:
        among = policy(SITE, entry("egress.no", "site.example", "deny", ports=(), agents="ci"))
        assert decide("site.example", among=among).action is Action.INSPECT
        assert decide("site.example", among=among, principal="ci").action is Action.DENY


class TestSchemes:
    def test_what_comes_in_the_clear_is_inspected_even_where_a_tunnel_is_allowed(self) -> None:
        among = policy(entry("egress.t", "a.example", "tunnel", ports=(80,)))
        decision = decide("a.example", 80, "GET", "/", scheme=HTTP, among=among)
        assert (decision.action, decision.reason) == (
            Action.INSPECT,
            "[egress.t] allows `a.example:80`; it comes in the clear",
        )

    def test_nothing_is_sent_in_the_clear_to_a_port_that_speaks_tls(self) -> None:
        decision = decide("site.example", 443, "GET", "/", scheme=HTTP)
        assert (decision.action, decision.reason) == (
            Action.DENY,
            "`site.example:443` speaks TLS; ask for it by https",
        )
        assert decide("clear.example", 80, "GET", "/", scheme=HTTP).action is Action.INSPECT


class TestDialling:
    def test_a_public_address_is_dialled(self) -> None:
        assert LIST.may_dial(decide("site.example"), "93.184.215.14") is None
        assert LIST.may_dial(decide("site.example"), "2606:4700::1111") is None

    def test_nothing_is_dialled_for_a_denial(self) -> None:
        denial = decide("evil.example")
        assert LIST.may_dial(denial, "93.184.215.14") is denial

    @pytest.mark.parametrize(
        ("address", "reason"),
        [
            (
                "10.0.0.1",
                "`site.example:443` resolves to `10.0.0.1`, which is a private address; [egress.site] does not",
            ),
            ("::ffff:10.0.0.1", "`site.example:443` resolves to `10.0.0.1`, which is a private address"),
            (
                "0.0.0.0",
                "`site.example:443` resolves to `0.0.0.0`, which is an unspecified address; no entry can allow",
            ),
            ("127.1", "`site.example:443` resolves to what is no address"),
            ("", "`site.example:443` resolves to what is no address"),
            ("fe80::1%eth0", "`site.example:443` resolves to an address with a zone"),
        ],
    )
    def test_no_other_address_is_dialled(self, address: str, reason: str) -> None:
        denial = LIST.may_dial(decide("site.example"), address)
        assert denial is not None
        assert denial.action is Action.DENY
        assert denial.reason.startswith(reason)

    def test_an_address_in_the_url_is_dialled_and_no_other(self) -> None:
        among = policy(entry("egress.dns", "8.8.8.8"))
        assert among.may_dial(decide("134744072", among=among), "8.8.8.8") is None
        denial = among.may_dial(decide("134744072", among=among), "8.8.4.4")
        assert denial is not None
        assert denial.reason == "`8.8.4.4` is not the address `8.8.8.8:443` that was asked for"

    def test_a_listed_address_is_dialled_for_the_hosts_that_list_it(self) -> None:
        among = policy(SITE, entry("egress.in", "git.corp.example", addresses="10.1.0.0/16 127.0.0.1"))
        decision = decide("git.corp.example", among=among)
        assert among.may_dial(decision, "10.1.2.3") is None
        assert among.may_dial(decision, "127.0.0.1") is None
        assert among.may_dial(decision, "10.2.0.1") is not None
        assert among.may_dial(decide("site.example", among=among), "10.1.2.3") is not None

    def test_no_wildcard_leads_to_a_metadata_service(self) -> None:
        among = policy(entry("egress.in", "*.corp.example meta.corp.example", addresses="169.254.169.254"))
        assert among.may_dial(decide("meta.corp.example", among=among), "169.254.169.254") is None
        denial = among.may_dial(decide("x.corp.example", among=among), "169.254.169.254")
        assert denial is not None
        assert "which is a metadata address" in denial.reason

    @pytest.mark.parametrize("conditions", ["", "GET"])
    def test_a_denied_address_is_not_dialled_whatever_name_led_there(self, conditions: str) -> None:
        denying = entry("egress.no", "93.184.0.0/16", "deny", ports=(), methods=conditions)
        among = policy(SITE, denying)
        denial = among.may_dial(decide("site.example", among=among), "93.184.215.14")
        assert denial is not None
        assert denial.reason == "`site.example:443` resolves to `93.184.215.14`, which [egress.no] denies"
        assert among.may_dial(decide("site.example", among=among), "93.185.0.1") is None

    def test_an_address_that_is_asked_for_is_denied_for_the_requests_that_the_denial_is_about(self) -> None:
        denying = entry("egress.no", "8.8.8.8", "deny", ports=(), methods="DELETE")
        among = policy(entry("egress.dns", "8.8.8.8"), denying)
        decision = decide("8.8.8.8", 443, "GET", "/", among=among)
        assert among.may_dial(decision, "8.8.8.8") is None
        assert decide("8.8.8.8", 443, "DELETE", "/", among=among).action is Action.DENY


CONFIG = """
[egress.read]
hosts = ["api.site.example"]
action = "inspect"
methods = ["GET"]
paths = ["/v1"]

[egress.wide]
hosts = ["*.wide.example", "10.0.0.0/8", "169.254.0.0/16"]
action = "inspect"

[egress.internal]
hosts = ["*.google.internal"]
action = "inspect"
ports = [80, 443]

[egress.raw]
hosts = ["*.raw.example"]
action = "tunnel"

[egress.part]
hosts = ["*.raw.example"]
action = "deny"
methods = ["DELETE"]

[egress.new-example]
hosts = ["taken.example"]
action = "inspect"

[agents.ci]
key_env = "CI"

[egress.ci-only]
hosts = ["ci.example"]
action = "inspect"
agents = ["ci"]

[upstreams.far]
dialect = "http"
base_url = "https://far.example/api"
"""


def amended(remedy: str) -> EgressPolicy:
    """The policy after an operator did what a remedy says: a new table added, or the keys of a table changed."""
    (name, keys) = next(iter(tomllib.loads(remedy)["egress"].items()))
    lines = CONFIG
    if f"[egress.{name}]\n" in lines:
        for key in keys:
            start = lines.index(f"[egress.{name}]\n")
            at = lines.find(f"\n{key} = ", start, lines.find("\n\n", start))
            lines = lines if at < 0 else lines[: at + 1] + lines[lines.index("\n", at + 1) + 1 :]
        lines = lines.replace(f"[egress.{name}]", remedy)
    else:
        lines += remedy
    return parse(lines, "gate.toml").egress_policy()


class TestRemedies:
    @pytest.mark.parametrize(
        ("host", "port", "method", "path", "remedy"),
        [
            ("other.example", 443, None, None, '[egress.other-example]\nhosts = ["other.example"]\naction = "inspect"'),
            (
                "New.example",
                8443,
                "GET",
                "/",
                '[egress.new-example-2]\nhosts = ["new.example"]\naction = "inspect"\nports = [8443]',
            ),
            ("127.1", 443, None, None, '[egress.127-0-0-1]\nhosts = ["127.0.0.1"]\naction = "inspect"'),
            ("[::1]", 443, None, None, '[egress.1]\nhosts = ["::1"]\naction = "inspect"'),
            ("_", 443, None, None, '[egress.host]\nhosts = ["_"]\naction = "inspect"'),
            ("ci.example", 443, None, None, '[egress.ci-example]\nhosts = ["ci.example"]\naction = "inspect"'),
            ("api.site.example", 443, "POST", "/v1/x", '[egress.read]\nmethods = ["GET", "POST"]'),
            ("api.site.example", 443, "GET", "/v2/x", '[egress.read]\npaths = ["/v1", "/v2/x"]'),
            (
                "api.site.example",
                443,
                "M-SEARCH",
                "/v2/?q",
                '[egress.read]\nmethods = ["GET", "M-SEARCH"]\npaths = ["/v1", "/v2"]',
            ),
            (
                "far.example",
                443,
                "POST",
                "/admin?x",
                (
                    '[egress.far-example]\nhosts = ["far.example"]\naction = "inspect"\n'
                    'methods = ["POST"]\npaths = ["/admin"]'
                ),
            ),
            (
                "169.254.169.254",
                443,
                None,
                None,
                '[egress.169-254-169-254]\nhosts = ["169.254.169.254"]\naction = "inspect"',
            ),
            (
                "metadata.google.internal",
                80,
                None,
                None,
                (
                    '[egress.metadata-google-internal]\nhosts = ["metadata.google.internal"]\naction = "inspect"\n'
                    "ports = [80]"
                ),
            ),
            ("x.raw.example", 443, None, None, '[egress.raw]\naction = "inspect"'),
        ],
    )
    def test_a_remedy_allows_what_was_denied(
        self, host: str, port: int, method: str | None, path: str | None, remedy: str
    ) -> None:
        denial = decide(host, port, method, path, among=amended("[egress.unused]\nhosts = ['u']\naction = 'deny'"))
        assert (denial.action, denial.remedy) == (Action.DENY, remedy)
        assert decide(host, port, method, path, among=amended(remedy)).action is Action.INSPECT

    @pytest.mark.parametrize(
        ("host", "address", "remedy"),
        [
            ("x.wide.example", "10.1.2.3", '[egress.wide]\naddresses = ["10.1.2.3"]'),
            ("x.wide.example", "64:ff9b::a00:1", '[egress.wide]\naddresses = ["64:ff9b::a00:1"]'),
            (
                "x.wide.example",
                "169.254.169.254",
                (
                    '[egress.x-wide-example]\nhosts = ["x.wide.example"]\naction = "inspect"\n'
                    'addresses = ["169.254.169.254"]'
                ),
            ),
            (
                "far.example",
                "10.1.2.3",
                '[egress.far-example]\nhosts = ["far.example"]\naction = "inspect"\naddresses = ["10.1.2.3"]',
            ),
            ("api.openai.com", "127.0.0.1", '[egress.openai]\naddresses = ["127.0.0.1"]'),
        ],
    )
    def test_a_remedy_opens_the_address_that_was_refused(self, host: str, address: str, remedy: str) -> None:
        before = parse(CONFIG, "gate.toml").egress_policy()
        denial = before.may_dial(decide(host, among=before), address)
        assert denial is not None
        assert denial.remedy == remedy
        after = amended(remedy)
        assert after.may_dial(decide(host, among=after), address) is None

    @pytest.mark.parametrize(
        ("host", "port", "method", "path", "scheme"),
        [
            ("a..b", 443, None, None, HTTPS),  # no host
            ("x.raw.example", 443, "DELETE", "/", HTTPS),  # denied by an operator's own entry
            ("api.openai.com", 443, "GET", "/", HTTP),  # in the clear to a TLS port
            ("0.0.0.0", 443, None, None, HTTPS),  # nobody's address
            ("api.site.example", 443, "g\x7f", "/v1", HTTPS),  # no method that an entry could name
            ("api.site.example", 443, "GET", "/v1/../x", HTTPS),  # no path that one could
            ("far.example", 443, "GET", "/%2e%2e/x", HTTPS),
            ("far.example", 443, "g", "/x", HTTPS),
        ],
    )
    def test_there_is_none_for_what_no_entry_could_allow(
        self, host: str, port: int, method: str | None, path: str | None, scheme: Scheme
    ) -> None:
        among = parse(CONFIG, "gate.toml").egress_policy()
        denial = decide(host, port, method, path, scheme=scheme, among=among)
        assert (denial.action, denial.remedy) == (Action.DENY, None)

    @pytest.mark.parametrize(
        ("host", "reason"),
        [
            (
                "169.254.169.254",
                "`169.254.169.254:443` is a metadata address, and no entry of [egress] names it in full",
            ),
            (
                "metadata.google.internal",
                "`metadata.google.internal:443` is a metadata service, and no entry of [egress] names it in full",
            ),
            ("0.0.0.0", "`0.0.0.0:443` is an unspecified address; no entry can allow it"),
        ],
    )
    def test_a_pattern_for_many_names_no_metadata_service(self, host: str, reason: str) -> None:
        denial = decide(host, among=parse(CONFIG, "gate.toml").egress_policy())
        assert (denial.action, denial.reason) == (Action.DENY, reason)


HOSTS = st.sampled_from(["a.example", "b.a.example", "c.b.a.example", "10.0.0.1", "8.8.8.8", "127.0.0.1"])
PATTERNS = ["a.example", "*.a.example", "*.b.a.example", "10.0.0.0/8", "8.8.8.8", "0.0.0.0/0"]
CONDITIONS = {
    "hosts": st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3).map(" ".join),
    "ports": st.sampled_from([(), (443,), (80, 443)]),
    "methods": st.sampled_from(["", "GET", "GET POST"]),
    "paths": st.sampled_from(["", "/v1", "/v1 /v2"]),
    "agents": st.sampled_from(["", "ci"]),
}
DENYING = st.builds(entry, st.just("egress.d"), action=st.just("deny"), **CONDITIONS)
ALLOWING = st.builds(entry, st.just("egress.a"), action=st.just("inspect"), **CONDITIONS)
TUNNELLING = st.builds(
    entry, st.just("egress.t"), action=st.just("tunnel"), **{**CONDITIONS, "methods": st.just(""), "paths": st.just("")}
)
REQUESTS = st.tuples(
    st.sampled_from(["default", "ci"]),
    st.sampled_from(Scheme),
    HOSTS,
    st.sampled_from([80, 443]),
    st.sampled_from([None, "GET", "get", "POST", "PUT"]),
    st.sampled_from([None, "/", "/v1/x", "/v1/../v2", "/v3"]),
)


@given(st.lists(st.one_of(ALLOWING, TUNNELLING), max_size=4), st.lists(DENYING, max_size=3), REQUESTS)
def test_more_denials_never_allow_more(
    allowing: list[Entry], denying: list[Entry], request: tuple[str, Scheme, str, int, str | None, str | None]
) -> None:
    without = EgressPolicy(allowing).decide(*request)
    among = EgressPolicy([*allowing, *denying])
    decided = among.decide(*request)
    assert decided.action in (Action.DENY, without.action)
    for address in ("8.8.8.8", "10.0.0.1", "127.0.0.1"):
        if EgressPolicy(allowing).may_dial(without, address) is not None:
            assert among.may_dial(decided, address) is not None


@given(st.lists(st.one_of(ALLOWING, TUNNELLING, DENYING), max_size=5), st.randoms(), REQUESTS)
def test_the_order_of_entries_decides_nothing(
    entries: list[Entry], chance: Random, request: tuple[str, Scheme, str, int, str | None, str | None]
) -> None:
    shuffled = list(entries)
    chance.shuffle(shuffled)
    assert EgressPolicy(entries).decide(*request).action is EgressPolicy(shuffled).decide(*request).action


@given(st.lists(st.one_of(ALLOWING, TUNNELLING, DENYING), max_size=5), REQUESTS)
def test_what_is_allowed_for_a_connection_is_only_narrowed_by_its_requests(
    entries: list[Entry], request: tuple[str, Scheme, str, int, str | None, str | None]
) -> None:
    among = EgressPolicy(entries)
    if among.decide(*request[:4]).action is Action.DENY and request[4] and request[5]:
        tunnels = any(one.action is Action.TUNNEL for one in entries)
        assert among.decide(*request).action is Action.DENY or tunnels
