"""What the market did: bars, who is traded, what it costs, how it moves together, and whom to watch."""
