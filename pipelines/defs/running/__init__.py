"""When it runs, on what, and who is told when it does not."""
