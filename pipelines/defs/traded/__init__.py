"""What the day hands to the night: the session's journal, the figures made of it, and whether it was true."""
