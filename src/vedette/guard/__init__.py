"""What stands between attacker-written text and everything that reads it."""
