"""Faults of the websockets: at the door, and between a frame and its socket."""
