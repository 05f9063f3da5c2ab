"""Studies of the past: what was known on a morning, and what the engine would have made of the day."""
