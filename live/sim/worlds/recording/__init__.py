"""Recorded trades and quotes: files of them, the rules of the tape, and what happened minute by minute."""
