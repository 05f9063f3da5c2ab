"""What the night tries out: backtests of the day, weights, scorers and the studies."""
