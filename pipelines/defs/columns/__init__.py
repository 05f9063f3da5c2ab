"""What the columns of every asset mean."""
