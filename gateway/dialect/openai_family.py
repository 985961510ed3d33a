"""Which endpoint of the OpenAI API speaks what: the route tables of `openai`, `azure` and `ollama`.

Source: the paths of openai-python 3.54, the REST reference of Azure OpenAI and docs/api.md of Ollama (2026-11). Paths
are matched with and without a leading /v1, since a base URL may end in it.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.dialect import meter, ollama
from gateway.dialect.base import Coverage
from gateway.dialect.openai import AUDIO, CHAT, COMPLETIONS, IMAGES, INPUTS, RESPONSES, REST, SPEECH
from gateway.dialect.openai_batch import BATCH
from gateway.dialect.plain import PLAIN
from gateway.dialect.route import Endpoint, Family, Form, Route, family, route

_CHAT: Final = Endpoint(CHAT, Coverage.DIALECT, generates=True, meter=meter.CHAT)
_STORED_CHAT: Final = Endpoint(CHAT, Coverage.DIALECT)
_RESPOND: Final = Endpoint(RESPONSES, Coverage.DIALECT, generates=True, meter=meter.RESPONSES)
_RESPONSES: Final = Endpoint(RESPONSES, Coverage.DIALECT)
_INPUTS: Final = Endpoint(INPUTS, Coverage.TEXT)
_EMBEDDINGS: Final = Endpoint(INPUTS, Coverage.TEXT, meter=meter.INPUTS)
_REST: Final = Endpoint(REST, Coverage.TEXT)
_JOBS: Final = Endpoint(REST, Coverage.TEXT, meter=meter.UNCOUNTED)
_DOWNLOAD: Final = Endpoint(REST, Coverage.PASS, answer_form=Form.BYTES)
_FORM: Final = Endpoint(REST, Coverage.PASS, request_form=Form.BYTES)
_IMAGE_FORM: Final = Endpoint(IMAGES, Coverage.PASS, request_form=Form.BYTES, meter=meter.UNCOUNTED)
_AUDIO_FORM: Final = Endpoint(AUDIO, Coverage.TEXT, request_form=Form.BYTES, meter=meter.UNCOUNTED)

_ROWS: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("POST", "/chat/completions", _CHAT),
    ("POST", "/extensions/chat/completions", _CHAT),  # Azure, older versions
    ("*", "/chat/completions(/[^/]+(/messages)?)?", _STORED_CHAT),
    ("POST", "/responses", _RESPOND),
    ("POST", "/responses/compact", _RESPOND),
    ("*", "/responses(/[^/]+(/cancel|/input_items)?)?", _RESPONSES),
    ("*", "/conversations(/.*)?", _RESPONSES),
    ("POST", "/completions", Endpoint(COMPLETIONS, Coverage.DIALECT, generates=True, meter=meter.CHAT)),
    ("POST", "/embeddings", _EMBEDDINGS),
    ("POST", "/moderations", _INPUTS),
    ("POST", "/images/generations", Endpoint(IMAGES, Coverage.DIALECT, meter=meter.UNCOUNTED)),
    ("POST", "/images/(edits|variations)", _IMAGE_FORM),
    ("POST", "/audio/speech", Endpoint(SPEECH, Coverage.DIALECT, answer_form=Form.BYTES, meter=meter.UNCOUNTED)),
    ("POST", "/audio/(transcriptions|translations)", _AUDIO_FORM),
    ("POST", "/files", Endpoint(BATCH, Coverage.DIALECT, request_form=Form.MULTIPART, generates=True)),
    ("GET", "/files/[^/]+/content", Endpoint(BATCH, Coverage.DIALECT, answer_form=Form.LINES)),
    ("POST", "/uploads/[^/]+/parts", _FORM),
    ("POST", "/containers/[^/]+/files", _FORM),
    ("GET", "/containers/[^/]+/files/[^/]+/content", _DOWNLOAD),
    ("GET", "/videos/[^/]+/content", _DOWNLOAD),
    ("POST", "/skills(/[^/]+/versions)?", _FORM),
    ("GET", "/skills/[^/]+(/versions/[^/]+)?/content", _DOWNLOAD),
    ("*", "/(files|uploads|vector_stores|models|assistants)(/.*)?", _REST),
    ("POST", "/batches/[^/]+/cancel", _REST),
    ("*", "/(batches|fine_tuning|threads|realtime)(/.*)?", _JOBS),
    ("*", "/(audio|videos|containers|skills|evals|live|agents|decisions)(/.*)?", _JOBS),
)


def _routes(prefix: str, flags: re.RegexFlag = re.NOFLAG) -> tuple[Route, ...]:
    return tuple(route(methods, prefix + path, endpoint, flags) for methods, path, endpoint in _ROWS)


_OLLAMA: Final = Endpoint(ollama.OLLAMA, Coverage.DIALECT, generates=True, meter=meter.OLLAMA)
_OLLAMA_ROWS: Final = (
    route(
        "POST", "/api/(chat|generate)", Endpoint(ollama.OLLAMA, Coverage.DIALECT, generates=True, meter=meter.OLLAMA)
    ),
    route("POST", "/api/(embed|embeddings)", Endpoint(ollama.INPUTS, Coverage.DIALECT, meter=meter.OLLAMA_INPUTS)),
    route("*", "/api/blobs/[^/]+", Endpoint(PLAIN, Coverage.PASS, request_form=Form.BYTES, answer_form=Form.BYTES)),
    route("*", "/api/.*", Endpoint(PLAIN, Coverage.TEXT)),
)

OPENAI: Final[Family] = family("openai", _routes("(?:/v1)?"), _JOBS, "authorization", "Bearer ")

# /openai/v1/… (the current form), /openai/deployments/NAME/…, and both below a base URL that ends in /openai. Azure
# does not mind the case of letters.
AZURE: Final[Family] = family(
    "azure", _routes("(?:/openai)?(?:/v1|/deployments/[^/]+)?", re.IGNORECASE), _JOBS, "api-key"
)

OLLAMA: Final[Family] = family(
    "ollama",
    (*_OLLAMA_ROWS, *_routes("/v1")),
    Endpoint(PLAIN, Coverage.TEXT),
    "authorization",
    "Bearer ",
)

FAMILIES: Final[tuple[Family, ...]] = (OPENAI, AZURE, OLLAMA)
