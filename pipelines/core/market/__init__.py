"""What the market says: bars, sessions, indicators."""
