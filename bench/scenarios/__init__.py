"""Conversations with calls of tools, labelled: what the tool firewall is judged by, and nobody tunes to."""
