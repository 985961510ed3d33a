"""The tools of an OpenAI request, in the words of the tool firewall: those that the agent runs, and those that are run
for it.

Source: the types of chat completions and Responses in openai-python 3.54, and the tool guides of the API (2026-11). The
texts of a definition are found by the grammar in `openai_tools.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialect.openai_calls import text_of
from gateway.dialect.texts import Texts, hosts_of
from gateway.policy.transcript import Defined, Hosted
from gateway.segment import Path

_AGENTS: Final = frozenset({"local_shell", "apply_patch", "shell", "computer", "computer_use_preview"})
"""Types of tools that the model knows without a schema, and whose calls the agent runs. A shell may be the provider's
own as well."""

_CALLED: Final[Mapping[str, str]] = {"computer_use_preview": "computer"}
"""What a call of such a tool is named by, where that is not its type."""

_KINDS: Final[Mapping[str, str]] = {
    "web_search": "web_search",
    "web_search_2025_08_26": "web_search",
    "web_search_preview": "web_search",
    "web_search_preview_2025_03_11": "web_search",
    "code_interpreter": "code",
    "programmatic_tool_calling": "code",
    "image_generation": "image",
    "computer_use_preview": "computer",
}
"""Our words for what is run by the provider, where its type is another."""

_INSIDE: Final = frozenset({"file_search", "image_generation", "programmatic_tool_calling", "tool_search"})
"""Types that reach nothing but what the request and the provider hold."""


def defined(tool: Any, path: Path, texts: Texts, space: str = "") -> Iterator[Defined]:
    """The tools that the agent runs of a definition: one, none, or those of a namespace. Their texts are taken."""
    if not isinstance(tool, dict):
        return
    kind = text_of(tool.get("type"))
    if kind == "namespace":
        inner = tool.get("tools")
        for index, item in enumerate(inner if isinstance(inner, list) else ()):
            yield from defined(item, (*path, "tools", index), texts, text_of(tool.get("name")))
    elif kind in ("function", "custom", ""):
        yield _named(tool, path, (kind or "function",) if _is_nested(tool, kind) else (), texts, space)
    elif kind in _AGENTS and not _is_contained(tool):
        yield Defined(_CALLED.get(kind, kind), path=path)


def function(tool: Any, path: Path, texts: Texts) -> Iterator[Defined]:
    """A function of the older `functions` list."""
    if isinstance(tool, dict):
        yield _named(tool, path, (), texts, "")


def qualified(space: str, name: str) -> str:
    """The one name of a tool in a namespace."""
    return f"{space}.{name}" if space else name


def _is_nested(tool: dict[str, Any], kind: str) -> bool:
    """Whether it is a tool of chat, which holds its definition one level down."""
    return isinstance(tool.get(kind or "function"), dict)


def _named(tool: dict[str, Any], path: Path, within: tuple[str, ...], texts: Texts, space: str) -> Defined:
    held = tool[within[0]] if within else tool
    for member in ("name", "description", "parameters"):
        texts.take((*path, *within, member))
    name = qualified(space, text_of(held.get("name")))
    return Defined(name, text_of(held.get("description")), held.get("parameters"), path)


def hosted(tool: Any, path: Path) -> Iterator[Hosted]:
    """The tools that the provider runs of a definition."""
    kind = text_of(tool.get("type")) if isinstance(tool, dict) else ""
    if kind == "namespace":
        inner = tool.get("tools")
        for index, item in enumerate(inner if isinstance(inner, list) else ()):
            yield from hosted(item, (*path, "tools", index))
    elif kind in ("function", "custom", "", "local_shell", "apply_patch") or (kind == "shell" and _is_local(tool)):
        return
    elif kind == "mcp":
        label = text_of(tool.get("server_label"))
        if tool.get("connector_id") is not None:
            yield Hosted("connector", label or text_of(tool["connector_id"]), None, path)
        else:
            yield Hosted("mcp", label, hosts_of(tool.get("server_url")), path)
    else:
        yield Hosted(_KINDS.get(kind, kind), kind, _hosts(kind, tool), path)


def _hosts(kind: str, tool: dict[str, Any]) -> tuple[str, ...] | None:
    if kind in _INSIDE:
        return ()
    if kind in ("shell", "code_interpreter"):
        return _container_hosts(tool.get("environment" if kind == "shell" else "container"))
    if kind.startswith("web_search"):
        if tool.get("external_web_access") is False:  # answers from what the provider has stored
            return ()
        filters = tool.get("filters")
        return _domains(filters.get("allowed_domains")) if isinstance(filters, dict) else None
    return None


def _container_hosts(container: Any) -> tuple[str, ...] | None:
    """Where a container may go. One that is made for the request has no network but what its policy gives; of one that
    was made before, only its maker knows."""
    if not isinstance(container, dict) or container.get("type") not in ("auto", "container_auto"):
        return None
    policy = container.get("network_policy")
    if policy is None or (isinstance(policy, dict) and policy.get("type") == "disabled"):
        return ()
    return _domains(policy.get("allowed_domains")) if isinstance(policy, dict) else None


def _domains(domains: Any) -> tuple[str, ...] | None:
    """The hosts of a list of domains; None where there is no list, or one of them cannot be told."""
    if not isinstance(domains, list) or not domains:
        return None
    found = [hosts_of(f"https://{domain}") for domain in domains]
    return None if None in found else tuple(host for hosts in found if hosts for host in hosts)


def _environment(tool: dict[str, Any]) -> str:
    environment = tool.get("environment")
    return text_of(environment.get("type")) if isinstance(environment, dict) else ""


def _is_local(tool: dict[str, Any]) -> bool:
    return _environment(tool) == "local"


def _is_contained(tool: dict[str, Any]) -> bool:
    """Whether a shell is the provider's own. One of which that is not told may be either."""
    return _environment(tool).startswith("container_")
