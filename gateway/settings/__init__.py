"""The tables of the configuration file, as frozen values. A value that does not fit raises with the accepted form.

One module for each group of tables; `fields` has what they are made of, and `config` joins them. Names in one table
that refer to another (an agent's limits) are checked in `gateway.config`, which reads the file.
"""

from gateway.settings.agents import DEFAULT_PRINCIPAL, Agent
from gateway.settings.approvals import ADMIN_NAME, ApproverTable, Form, webhook_url
from gateway.settings.config import Config
from gateway.settings.egress import EgressTable
from gateway.settings.limits import LimitTable, PriceTable
from gateway.settings.proxy import Anonymous
from gateway.settings.records import Format
from gateway.settings.tools import ToolTable
from gateway.settings.upstreams import BUILT_IN, McpServer, Upstream

__all__ = [
    "ADMIN_NAME",
    "BUILT_IN",
    "DEFAULT_PRINCIPAL",
    "Agent",
    "Anonymous",
    "ApproverTable",
    "Config",
    "EgressTable",
    "Form",
    "Format",
    "LimitTable",
    "McpServer",
    "PriceTable",
    "ToolTable",
    "Upstream",
    "webhook_url",
]
