"""Reports as lines, so that tables can say what is expected in words."""

from __future__ import annotations

from gateway.policy.commands.report import CommandReport, How, SqlReport

_VERBS = {How.READ: "reads", How.WRITE: "writes", How.DELETE: "deletes", How.EXECUTE: "executes"}


def told(report: CommandReport) -> set[str]:
    """What the report says: `runs rm -rf /`, `may run …` where it is not resolved, `deletes /`, `reaches host:80`."""
    lines = {
        f"{'runs' if one.is_resolved else 'may run'} {' '.join((one.name, *one.arguments))}" for one in report.programs
    }
    lines |= {f"{_VERBS[one.how]} {'' if one.is_resolved else '?'}{one.path}" for one in report.touched}
    for one in report.remotes:
        port = f":{one.port}" if one.port is not None else ""
        lines.add(f"{'sends to' if one.sends else 'reaches'} {'' if one.is_resolved else '?'}{one.host}{port}")
    lines |= {f"redirects {one.operator}{one.path}" for one in report.redirects}
    lines |= {f"opaque: {words}" for words in report.opaque}
    lines |= {f"suspicious: {words}" for words in report.suspicious}
    return lines | (set() if report.is_parsed else {"not parsed"})


def told_sql(report: SqlReport) -> set[str]:
    """What the report says: `select`, `reads a`, `writes a`, `every row`, `calls f`, the words of what is outside."""
    lines: set[str] = set()
    for one in report.statements:
        lines |= {kind.value for kind in one.kinds}
        lines |= {f"reads {name}" for name in one.reads} | {f"writes {name}" for name in one.writes}
        lines |= {f"calls {name}" for name in one.functions} | set(one.outside)
        lines |= {f"runs {text}" for text in one.commands} | {f"opens {path}" for path in one.paths}
        lines |= set() if one.has_where else {"every row"}
    lines |= {f"opaque: {words}" for words in report.opaque}
    lines |= {f"suspicious: {words}" for words in report.suspicious}
    lines.add(f"{report.count} statements") if report.count > 1 else None
    return lines | (set() if report.is_parsed else {"not parsed"})
