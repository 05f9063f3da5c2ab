"""`daybot exchange`: its options, and what becomes of them. The exchange itself is imported when it runs: other commands go without it."""

import asyncio
from decimal import Decimal

import typer

from live.sim.command import options as said


def exchange(
    world: said.World = None,
    history: said.History = None,
    actions: said.Actions = None,
    ticks: said.Ticks = None,
    thin_iex: said.ThinIex = False,
    assets: said.Assets = None,
    seed: said.Seed = 7,
    splits: said.Splits = False,
    halts: said.Halts = False,
    extended: said.Extended = False,
    slips: said.Slips = 0.0,
    day: said.Day = None,
    start: said.Start = "08:00",
    speed: said.Speed = 1.0,
    stepped: said.Stepped = False,
    skip_closed: said.SkipClosed = False,
    cash: said.Cash = 100_000,
    multiplier: said.Multiplier = 4,
    partial_rate: said.PartialRate = 0.1,
    participation: said.Participation = None,
    fees: said.Fees = "regulatory",
    dividends: said.Dividends = False,
    key: said.Key = None,
    secret: said.Secret = None,
    rate_limit: said.RateLimit = 200,
    plan: said.DataPlan = "unlimited",
    polygon_key: said.PolygonKey = None,
    polygon_plan: said.PolygonPlan = "realtime",
    polygon_rate_limit: said.PolygonRateLimit = 0,
    polygon_connections: said.PolygonConnections = 1,
    polygon_loser: said.PolygonLoser = "older",
    port: said.Port = 8765,
    at: said.At = None,
    scenario: said.Scenario = None,
    ready_file: said.ReadyFile = None,
) -> None:
    """Run the simulated exchange: the REST and streams of Alpaca and Polygon on 127.0.0.1, over an invented or a recorded market.

    Point any client at [cyan]http://127.0.0.1:8765[/], Alpaca's streams at [cyan]ws://127.0.0.1:8765/v2/iex[/] and [cyan]/stream[/],
    Polygon's at [cyan]/stocks[/]. Everything it shows is SIMULATED. Ctrl-C ends it.

    Examples:

    [bold]daybot exchange --speed 60 --start 09:25[/]  a minute a second, from just before the open

    [bold]daybot exchange --world minutes.parquet --history daily.parquet --date 2019-02-14[/]  a recorded day

    [bold]daybot exchange --at polygon=8766 --at data=/data[/]  hosts with base URLs of their own

    [bold]daybot exchange --plan basic --polygon-plan delayed --polygon-rate-limit 5[/]  what the free plans allow

    [bold]daybot exchange --scenario storm.toml[/]  with faults; [bold]daybot fault add stream.mute stream=market for=90[/] for more
    """
    from live.sim.clock import local
    from live.sim.command import serve
    from live.sim.errors import WorldError
    from live.sim.faults.fault import FaultError
    from live.sim.faults.scenario import load
    from live.sim.server import Exchange, Options
    from live.sim.venue import fees as charges
    from live.sim.wires.addresses import read as addressed
    from live.sim.worlds import listing
    from live.sim.worlds.generated import GeneratedWorld
    from live.sim.worlds.world import World

    try:
        listed = listing.read(assets) if assets is not None else None
        if world or ticks or history or actions:
            files = serve.Files(world or [], ticks or [], history or [], actions)
            built: World = serve.recorded(files, day=serve.day_of(day), seed=seed, assets=listed, thin=thin_iex)
        else:
            built = GeneratedWorld(
                day=serve.day_of(day) or serve.GENERATED_DAY, seed=seed, extended=extended, halts=halts, splits=splits, assets=listed
            )
        options = Options(
            start=local(serve.opened(built, serve.day_of(day)), *serve.time_of(start)),
            cash=Decimal(str(cash)),
            speed=None if stepped else speed,
            skip_closed=skip_closed,
            key=key,
            secret=secret,
            rate_limit=rate_limit,
            partial_rate=partial_rate,
            plan=serve.plan_of(plan),
            multiplier=serve.multiplier_of(multiplier),
            slip_rate=slips,
            dividends=dividends,
            fees=charges.read(fees),
            participation=participation,
            scenario=load(scenario) if scenario is not None else (),
            polygon=serve.terms(polygon_key, polygon_plan, polygon_rate_limit, polygon_connections, polygon_loser),
        )
        raise typer.Exit(asyncio.run(serve.run(Exchange(built, options), port=port, addresses=addressed(at or ()), ready_file=ready_file)))
    except (WorldError, FaultError) as wrong:
        typer.echo(f"daybot exchange: {wrong}", err=True)
        raise typer.Exit(2) from None
