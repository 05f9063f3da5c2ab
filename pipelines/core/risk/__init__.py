"""How much, and whether at all: regimes, correlation, exposure, sizing, the gate."""
