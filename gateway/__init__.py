"""Lockgate: a transparent gateway between AI agents and the APIs they call."""

__version__ = "0.1.0"
