"""Rules for a whole fleet: a push goes to some gateways first, is watched there, and goes to all of them or back."""
