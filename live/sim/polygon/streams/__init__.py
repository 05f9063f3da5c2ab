"""Polygon's stocks stream: the conversation, its clients, the messages."""
