"""History from the vendors as Polars frames."""
