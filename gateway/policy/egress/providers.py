"""The LLM providers that agents may reach without configuration: on port 443, inspected.

Only hosts that are one provider's own API. Endpoints that each customer names (Azure, Bedrock, Vertex) are not among
them: a wildcard for these would also open whatever an attacker rents there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final


def _provider(*hosts: str, **more: object) -> Mapping[str, object]:
    return MappingProxyType({"hosts": list(hosts), "action": "inspect", **more})


PROVIDERS: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "openai": _provider("api.openai.com", "eu.api.openai.com", "us.api.openai.com"),  # the last two: residency
        "anthropic": _provider("api.anthropic.com"),
        "gemini": _provider("generativelanguage.googleapis.com"),
        "mistral": _provider("api.mistral.ai"),
        "cohere": _provider("api.cohere.com", "api.cohere.ai"),
        "groq": _provider("api.groq.com"),
        "deepseek": _provider("api.deepseek.com"),
        "xai": _provider("api.x.ai"),
        "openrouter": _provider("openrouter.ai", paths=["/api"]),  # the rest of that host is a web site
        "together": _provider("api.together.xyz"),
        "perplexity": _provider("api.perplexity.ai"),
    }
)
"""Tables of `[egress]` by name (the vendors' API references, November 2026)."""
