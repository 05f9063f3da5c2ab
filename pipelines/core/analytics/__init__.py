"""What happened, measured."""
