"""What a configuration leaves open, in words: told at start, by `check` and in /status."""

from __future__ import annotations

from gateway.config import Config
from gateway.policy.hierarchy import Mode
from gateway.serve.identity import LOOPBACK
from gateway.settings import Anonymous


def gaps(config: Config) -> tuple[str, ...]:
    """What the configuration leaves open, in words."""
    found = []
    if config.rules.profile == "monitor":
        found.append("profile `monitor`: findings are reported, nothing is stopped")
    if config.hierarchy.mode is Mode.OFF:
        found.append("hierarchy off: untrusted text is not marked as data")
    if not config.audit.enabled:
        found.append("audit off: no record is kept")
    proxy = config.proxy
    if proxy.enabled and proxy.anonymous is Anonymous.DEFAULT and proxy.listen.host not in LOOPBACK:
        found.append(f'the proxy on {proxy.listen} lets in who shows no key: set `anonymous = "refuse"` under [proxy]')
    if config.admin.token_env is None:
        found.append("no admin token: whoever reaches the admin listener reads /metrics and /status")
    unverified = [name for name, table in config.upstreams.items() if not table.verify]
    unverified += [f"mcp/{name}" for name, table in config.mcp.items() if not table.verify]
    found.extend(f"upstream `{name}`: its TLS certificate is not verified" for name in unverified)
    return tuple(found)
