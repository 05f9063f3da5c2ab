"""The vendors' wires: one socket that is read without delay, and their messages as types. Nothing here knows what a message means to us."""
