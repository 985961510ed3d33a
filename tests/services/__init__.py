"""Real services for tests, started on ports of their own and ended by who started them."""
