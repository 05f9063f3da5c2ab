"""The decision engine: events in, decisions out."""
