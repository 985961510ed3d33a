"""The LLM providers that agents may reach without configuration: on port 443, inspected.

Only hosts that are one provider's own API. Endpoints that each customer names (Azure, Bedrock, Vertex) are not among
them: a wildcard for these would also open whatever an attacker rents there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

PROVIDERS: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "openai": {"hosts": ["api.openai.com", "eu.api.openai.com", "us.api.openai.com"]},  # with data residency
        "anthropic": {"hosts": ["api.anthropic.com"]},
        "gemini": {"hosts": ["generativelanguage.googleapis.com"]},
        "mistral": {"hosts": ["api.mistral.ai"]},
        "cohere": {"hosts": ["api.cohere.com", "api.cohere.ai"]},
        "groq": {"hosts": ["api.groq.com"]},
        "deepseek": {"hosts": ["api.deepseek.com"]},
        "xai": {"hosts": ["api.x.ai"]},
        "openrouter": {"hosts": ["openrouter.ai"], "paths": ["/api"]},  # the rest of that host is a web site
        "together": {"hosts": ["api.together.xyz"]},
        "perplexity": {"hosts": ["api.perplexity.ai"]},
    }
)
"""Tables of `[egress]`, but for their action, by name (the vendors' API references, November 2026)."""
