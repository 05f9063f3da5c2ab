"""Alpaca's trading host: account, orders, positions, calendar."""
