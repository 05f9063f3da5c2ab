"""What past entries say of the next one: a small model, believed only as far as sessions that it had not seen bear it out."""
