"""The engine over what has been: recorded markets (a backtest) and recorded sessions (a replay)."""
