"""Alpaca's wire: REST and streams, to the letter."""
