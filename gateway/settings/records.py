"""`[audit]` and `[log]`: what is kept of what happened, and what is said of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from gateway.settings.fields import Choice, Duration, FilePath, Table


class Format(StrEnum):
    """What a log line looks like."""

    CONSOLE = "console"
    JSON = "json"


class AuditTable(Table):
    """`[audit]`: the folder of the audit files. `keep` in seconds."""

    enabled: bool = True
    folder: FilePath | None = None
    keep: Duration = 90 * 86400.0
    fsync: bool = True


class Log(Table):
    """`[log]`: the log on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Choice[Format] = Format.CONSOLE
