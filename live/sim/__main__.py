"""`python -m live.sim`: the simulated exchange without the rest of DayBot."""

import typer

from live.sim.serve import exchange

if __name__ == "__main__":
    typer.run(exchange)
