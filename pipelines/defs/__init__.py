"""Dagster only, thin: fetch, call the core, write, return metadata. Nothing here can reach an order."""
