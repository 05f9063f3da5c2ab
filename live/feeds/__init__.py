"""Streaming market data: vendor frames in, core events out."""
