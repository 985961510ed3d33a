"""What is allowed: profiles, the pure decision, the instruction hierarchy."""
