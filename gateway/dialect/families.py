"""The families of upstreams by name: what `dialect` in the configuration of an upstream can be."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.dialect.a2a_family import A2A
from gateway.dialect.anthropic_family import ANTHROPIC
from gateway.dialect.base import Coverage
from gateway.dialect.bedrock_family import BEDROCK
from gateway.dialect.cloud_family import VERTEX
from gateway.dialect.gemini_family import GEMINI
from gateway.dialect.openai_family import AZURE, OLLAMA, OPENAI
from gateway.dialect.plain import PLAIN
from gateway.dialect.route import Endpoint, Family, Form, family

HTTP: Final[Family] = family(
    "http", (), Endpoint(PLAIN, Coverage.TEXT, Form.MEDIA, Form.MEDIA), "authorization", "Bearer "
)
"""A plain HTTP tool: JSON is read string by string, pages, forms and text as what they are."""

FAMILIES: Final[Mapping[str, Family]] = MappingProxyType(
    {known.name: known for known in (OPENAI, AZURE, OLLAMA, ANTHROPIC, GEMINI, BEDROCK, VERTEX, A2A, HTTP)}
)
