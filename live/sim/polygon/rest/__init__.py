"""Polygon's REST API: aggregates, single trades and quotes, snapshots, reference data."""
