"""The pins of tool definitions, kept in the store and followed."""
