"""`lockgate audit`: is the audit whole, and what does it say last?"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gateway import config as configuration
from gateway import keys
from gateway import verify as verification
from gateway.app import AUDIT_KEY
from gateway.config import Config
from gateway.errors import ConfigError


def verify(path: Path | None, folder: Path | None) -> int:
    """Print for each chain what was done to its files, or that they are whole. Returns 1 where anything was done."""
    config = _config(path)
    reports = verification.verify_all(_folder(config, folder), keys.derive(_secret(config), AUDIT_KEY))
    for where, report in reports.items():
        for problem in report.problems:
            print(f"error: {problem}", file=sys.stderr)
        state = "intact" if report.is_intact else f"problems: {len(report.problems)}"
        print(f"{where}: {report.files} files, {report.lines} lines: {state}")
    return 0 if all(report.is_intact for report in reports.values()) else 1


def tail(path: Path | None, folder: Path | None, lines: int) -> None:
    """Print the last lines of all chains as they stand in the files."""
    for line in verification.tail(_folder(_config(path), folder), lines):
        print(line)


def _config(path: Path | None) -> Config:
    return configuration.load(path) if path is not None else Config()


def _folder(config: Config, folder: Path | None) -> Path:
    where = folder or configuration.audit_folder(config, os.environ)
    if not where.is_dir():
        raise ConfigError((f"`{where}` is no folder; give the gateway's --config, or the --folder of its audit",))
    return where


def _secret(config: Config) -> bytes:
    """The gateway's secret. A new one is not made here: no line would fit it."""
    if config.gateway.secret_env is None:
        file = config.gateway.secret_file or configuration.state_folder(config, os.environ) / "secret"
        if not file.exists():
            raise ConfigError(
                (f"there is no secret at `{file}`; give the --config of the gateway that wrote the audit",)
            )
    return configuration.secret(config, os.environ)
