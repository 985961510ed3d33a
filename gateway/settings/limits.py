"""`[limits.NAME]`: how much agents may ask for in a time."""

from __future__ import annotations

from gateway.settings.fields import Array, Choice, Count, Duration, Table
from gateway.state.limit import Limit, OnError, Rate, Unit


class LimitTable(Table):
    """`[limits.NAME]`: so many requests in a time, counted for each agent at each upstream."""

    requests: Count
    per: Duration = 60.0
    burst: Count | None = None
    agents: Array[str] = ()
    upstreams: Array[str] = ()
    on_error: Choice[OnError] | None = None

    def limit(self, name: str, key: str, on_error: OnError) -> Limit:
        """The limit of that name, counted under `key`; `on_error` holds where the table says nothing of it."""
        bound = Rate(self.requests, round(self.per * 1e9), self.burst or self.requests)
        return Limit(name, key, Unit.REQUESTS, bound, self.on_error or on_error)
