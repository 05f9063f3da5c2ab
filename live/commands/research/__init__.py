"""Commands that need no account: backtests, sweeps, examinations of a strategy."""
