"""Alpaca's data host: bars, trades, quotes, snapshots, and what their codes mean."""
