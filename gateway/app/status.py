"""What `/status` says of a gateway: JSON values only, and no credential."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway import __version__, record
from gateway.reload import Status as ReloadStatus
from gateway.serve.coverage import families, matrix
from gateway.serve.gaps import gaps
from gateway.serve.posture import Posture
from gateway.serve.reach import openings
from gateway.trust.authority import Authority, fingerprint


def of_gateway(began: datetime, reasons: tuple[str, ...], parts: Mapping[str, object]) -> dict[str, object]:
    """The whole of it. `reasons` are why it is not ready, `parts` what its processes say."""
    return {
        "version": __version__,
        "uptime_s": round((datetime.now(UTC) - began).total_seconds()),
        "ready": not reasons,
        "not_ready_because": list(reasons),
        "on_error": {"exchange": "refuse", "limits": "refuse", "audit": "refuse new requests", "log": "go on"},
        **parts,
    }


def of_posture(serving: Posture) -> dict[str, object]:
    """What requests are judged by, and where they may go."""
    config = serving.config
    return {
        "profile": serving.default_gate.profile.name,
        "rules": {"count": len(serving.default_gate.rules.rules), "digest": serving.digest},
        "hierarchy": str(config.hierarchy.mode),
        "not_protected": list(gaps(config)),
        "egress": [asdict(opening) for opening in openings(serving.egress)],
        "agents": {
            name: {
                "known_by": list(agent.known_by),
                "profile": config.profile_for(name).name,
            }
            for name, agent in config.agents.items()
        },
        "limits": {name: limit.shown() for name, limit in config.limits.items()},
        "upstreams": {
            name: {
                "dialect": table.dialect,
                "base_url": table.base_url,
                "key": "injected" if serving.upstreams[name].key is not None else "the client's",
            }
            for name, table in config.upstreams.items()
        },
        "mcp": {
            name: {
                "url": table.url,
                "key": "injected" if serving.mcp[name].upstream.key is not None else "the client's",
            }
            for name, table in config.mcp.items()
        },
        "coverage": [asdict(row) for row in matrix(families(config))],
    }


def of_reload(reload: ReloadStatus) -> dict[str, object]:
    """How the last reload went."""
    return {
        "loaded_at": reload.loaded_at.isoformat() if reload.loaded_at is not None else None,
        "problems": list(reload.problems),
        "needs_restart": list(reload.needs_restart),
        "accelerated": reload.is_accelerated,
    }


def of_proxy(
    serving: Posture, folder: Path, authority: Authority | None, *, has_parent: bool
) -> dict[str, object] | None:
    """Who may come to the proxy, and by which authority; None where there is no proxy."""
    if authority is None:
        return None
    certificate = authority.certificate
    return {
        "anonymous": str(serving.config.proxy.anonymous),
        "parent": has_parent,
        "ca": {
            "folder": str(folder),
            "sha256": fingerprint(certificate),
            "not_after": certificate.not_valid_after_utc.isoformat(),
            "permitted": list(map(str, authority.permitted)),
        },
    }


def announce(told: Mapping[str, Any], config: Path | None, state: Path) -> None:
    """The first line of the log: what listens where, by what it judges, and what it leaves open."""
    listeners, mitmproxy = told["listeners"], told["mitmproxy"]
    record.log().info(
        "listening",
        base_url=_url(listeners["base_url"]),
        proxy=_url(listeners["proxy"]),
        mitmproxy=mitmproxy["listening"] if mitmproxy is not None else None,
        admin=_url(listeners["admin"]),
        workers=len(told["workers"]) if "workers" in told else None,
        profile=told.get("profile"),  # null where no worker answers
        rules=told.get("rules", {}).get("count"),
        hierarchy=told.get("hierarchy"),
        config=str(config) if config is not None else None,
        state=str(state),
        not_protected=told.get("not_protected"),
    )


def _url(address: str | None) -> str | None:
    return f"http://{address}" if address is not None else None
