"""The doors through which people, scripts and agents act on a running session."""
