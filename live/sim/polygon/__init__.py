"""The wire of Polygon, now Massive: its stocks stream and its REST API over the same venue."""
