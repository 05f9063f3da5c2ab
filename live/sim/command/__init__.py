"""The command `daybot exchange`: its options, the process it starts and what that shows."""
