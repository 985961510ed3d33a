"""Bytes and what they mean, for bodies and streams: content codings, JSON with addresses, frames of a stream."""
