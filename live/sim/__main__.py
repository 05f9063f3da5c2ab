"""`python -m live.sim`: the simulated exchange without the rest of DayBot."""

import typer

from live.sim.command.exchange import exchange

app = typer.Typer(rich_markup_mode="rich", add_completion=False, pretty_exceptions_enable=False)
app.command()(exchange)

if __name__ == "__main__":
    app()
