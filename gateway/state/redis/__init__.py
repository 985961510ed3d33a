"""A store in Redis or Valkey: one server, one behind Sentinel, or a cluster. The only door to the client library."""
