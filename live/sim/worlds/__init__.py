"""What prices there are: invented or recorded minutes, and the path inside each."""
