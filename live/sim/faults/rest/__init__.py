"""Faults of REST: before a request acts, after it did, and in what is answered."""
