"""The whole configuration: every table, and what follows from several of them together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from gateway.approve.decision import Person
from gateway.limits.claims import Terms
from gateway.limits.price import Prices
from gateway.limits.rule import Rule, of_tool
from gateway.policy.call import Approver
from gateway.policy.egress.entry import Entry
from gateway.policy.egress.policy import EgressPolicy
from gateway.policy.egress.providers import PROVIDERS
from gateway.policy.egress.upstream import upstream_entry
from gateway.policy.profile import PROFILES, Profile
from gateway.policy.tools.match import match
from gateway.policy.tools.toolbox import Allowed, Toolbox
from gateway.settings import starter
from gateway.settings.agents import Agent, AgentName
from gateway.settings.approvals import ADMIN_NAME, ApprovalsTable, ApproverName, ApproverTable
from gateway.settings.egress import EgressTable
from gateway.settings.fields import NO_TABLES, Name, Named, Table, over
from gateway.settings.gateway import Admin, Gateway
from gateway.settings.hosted import HostedTable
from gateway.settings.limits import LimitTable, Model, PriceTable
from gateway.settings.proxy import Proxy
from gateway.settings.records import AuditTable, Log
from gateway.settings.rules import HierarchyTable, Rules
from gateway.settings.store import StoreTable
from gateway.settings.tools import ToolName, ToolTable
from gateway.settings.upstreams import BUILT_IN, METADATA, McpServer, Upstream, UpstreamName


class Config(Table):
    """The whole configuration."""

    gateway: Gateway = Gateway()
    proxy: Proxy = Proxy()
    admin: Admin = Admin()
    store: StoreTable = StoreTable()
    rules: Rules = Field(default_factory=Rules)  # a default is copied, and its mapping cannot be
    upstreams: Annotated[Named[UpstreamName, Upstream], BeforeValidator(over(BUILT_IN))] = NO_TABLES
    mcp: Named[Name, McpServer] = NO_TABLES
    agents: Named[AgentName, Agent] = NO_TABLES
    limits: Named[Name, LimitTable] = NO_TABLES
    prices: Named[Model, PriceTable] = NO_TABLES
    egress: Annotated[Named[Name, EgressTable], BeforeValidator(over(PROVIDERS))] = NO_TABLES
    approvals: ApprovalsTable = ApprovalsTable()
    approvers: Named[ApproverName, ApproverTable] = NO_TABLES
    tools: Named[ToolName, ToolTable] = NO_TABLES
    hosted: HostedTable = HostedTable()
    hierarchy: HierarchyTable = HierarchyTable()
    audit: AuditTable = AuditTable()
    log: Log = Log()

    @model_validator(mode="before")
    @classmethod
    def _with_tool_policies(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        rules = data.get("rules", {})
        chosen = rules.get("tool_policies") if isinstance(rules, Mapping) else ()
        names = Rules.model_fields["tool_policies"].default if chosen is None else chosen
        return {**data, "tools": starter.over(names, data.get("tools", {}))}

    @property
    def people(self) -> dict[str, Person]:
        """Who may approve, by name: each of `[approvers]`, and who has the token of `[admin]`."""
        found = {name: table.person(name) for name, table in self.approvers.items()}
        return found | ({ADMIN_NAME: Person(ADMIN_NAME, Approver.APPROVER)} if self.admin.token_env else {})

    def toolbox(self) -> Toolbox:
        """What is known of tools, and what their calls are held to."""
        shipped = {name for policy in self.rules.tool_policies for name in starter.tables(policy)}
        return Toolbox([table.tool(name, is_own=name not in shipped) for name, table in self.tools.items()])

    @property
    def speaks_of_tools(self) -> bool:
        """Whether the file itself says anything of tools, besides which shipped policies are chosen."""
        chosen = Config.model_validate({"rules": {"tool_policies": list(self.rules.tool_policies)}})
        return self.tools != chosen.tools or any(agent.tools is not None for agent in self.agents.values())

    def tools_for(self, principal: str) -> Allowed | None:
        """The tools that this caller may use; None where it has no list."""
        agent = self.agents.get(principal)
        if agent is None or agent.tools is None:
            return None
        return Allowed(tuple(map(match, agent.tools)), frozenset(agent.tools).intersection(self.tools))

    def profile_for(self, principal: str) -> Profile:
        """The profile that judges this caller: its own or that of `[rules]`, with the thresholds of `[rules]`.

        So with its effects for hidden text; those for rules and their categories are for the rule set.
        """
        agent = self.agents.get(principal)
        profile = PROFILES[(agent.profile if agent else None) or self.rules.profile]
        return replace(
            profile,
            data_threshold=self.rules.thresholds.data or profile.data_threshold,
            user_threshold=self.rules.thresholds.user or profile.user_threshold,
            unknown_json=self.rules.unknown_json or profile.unknown_json,
            effects=MappingProxyType({**profile.effects, **self.rules.unruled_effects}),
        )

    def hosted_for(self, principal: str) -> tuple[str, ...]:
        """The kinds of tools that this caller may have the provider run."""
        agent = self.agents.get(principal)
        return self.hosted.allow if agent is None or agent.hosted is None else agent.hosted

    def terms_for(self, principal: str, upstream: str) -> Terms:
        """What the requests of this caller to that upstream are held to, in the order of the file, and their prices.

        A limit that names no agent, and that no agent names, is everybody's. What tables of tools say of calls in a
        minute holds too, wherever they may be called.
        """
        rules = tuple(
            table.rule(name, self.store.on_error)
            for name, table in self.limits.items()
            if (not table.upstreams or upstream in table.upstreams) and principal in self._holders(name, principal)
        )
        prices = Prices({name: table.price for name, table in self.prices.items()})
        return Terms((*rules, *self._rules_of_tools(upstream)), prices)

    def terms_of_tools(self, upstream: str) -> Terms:
        """What calls of tools are held to where nothing else is counted."""
        return Terms(tuple(self._rules_of_tools(upstream)))

    def _rules_of_tools(self, upstream: str) -> Iterator[Rule]:
        limited = (table.tool(name) for name, table in self.tools.items() if table.requests_per_minute is not None)
        callable_there = (tool for tool in limited if tool.requests or upstream.startswith("mcp/"))
        return (rule for tool in callable_there if (rule := of_tool(tool, self.store.on_error)) is not None)

    def egress_policy(self) -> EgressPolicy:
        """Where agents may go: the entries of `[egress]`, and each upstream and MCP server that none of them names."""
        entries = [table.entry(name) for name, table in self.egress.items()]
        return EgressPolicy([*entries, *self._upstream_entries(entries)])

    def _upstream_entries(self, entries: list[Entry]) -> Iterator[Entry]:
        found = [upstream_entry(f"upstreams.{name}", table.base_url) for name, table in self.upstreams.items()]
        found += [upstream_entry(f"mcp.{name}", table.url, METADATA) for name, table in self.mcp.items()]
        for entry in found:
            if entry is not None and not any(one.covers(entry) for one in entries):
                yield entry

    def _holders(self, limit: str, principal: str) -> set[str]:
        named = {name for name, agent in self.agents.items() if limit in agent.limits}
        return named.union(self.limits[limit].agents) or {principal}
