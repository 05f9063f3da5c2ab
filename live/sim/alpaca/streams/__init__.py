"""Alpaca's websockets: market data and order events."""
