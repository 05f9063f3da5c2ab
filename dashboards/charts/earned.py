"""What was earned over many sessions: the curve and its falls, the calendar, distributions, and what it came from."""

from datetime import timedelta

import altair as alt
import polars as pl

from dashboards.charts.style import BLUE, GREY, LINE, ORANGE, SIDE, Picture, days, ranked, rows_high, signed

EACH = 30
"""Sessions of which each has a point of its own on a curve; of one alone there would be no line."""

BEYOND = 0.005
"""Part of many values at each end that stands in the outermost bar, so that a few do not make all others narrow."""

MANY = 200
"""Values from which that is done."""

WEEKS = 53
"""Of a calendar at least: squares stay squares when there are few sessions."""

READ = "Blue: equity after fees · grey, dashed: the benchmark, where it is known · orange: how far below its highest point"
"""How the curve is read."""

WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri"]


def curve(rows: pl.DataFrame) -> tuple[Picture, Picture]:
    """Growth beside the benchmark's, and the falls, to be stacked; both begin the day before the first session.

    `rows`: session, growth, drawdown, benchmark_growth, return, net.
    """
    told = [
        alt.Tooltip("session:T", format="%a %d %b %Y"), alt.Tooltip("growth:Q", format="+.2%", title="since the beginning"),
        alt.Tooltip("return:Q", format="+.2%", title="that day"), alt.Tooltip("net:Q", format="$,.2f"), alt.Tooltip("drawdown:Q", format=".2%"),
    ]  # fmt: skip
    first = rows.head(1).select(pl.col("session").dt.offset_by("-1d"), growth=1.0, benchmark_growth=1.0, drawdown=0.0)
    shown = pl.concat([first, rows], how="diagonal").with_columns(pl.col("growth") - 1, pl.col("benchmark_growth") - 1, -pl.col("drawdown"))
    points = rows.height < EACH
    wide = max(float(shown[name].max() or 0.0) - float(shown[name].min() or 0.0) for name in ("growth", "benchmark_growth"))  # type: ignore[arg-type]  # float columns
    digits, depth = (1 if size >= 0.02 else 2 for size in (wide, float(shown["drawdown"].min() or 0.0) * -1))  # type: ignore[arg-type]  # a float column
    up = alt.Axis(format=f"+.{digits}%", tickCount=6, minExtent=SIDE, maxExtent=SIDE)
    across = days(rows["session"], labels=False)
    line = alt.Chart(shown).mark_line(color=BLUE, strokeWidth=1.8, point={"color": BLUE} if points else False)
    own = line.encode(across, alt.Y("growth:Q", title=None, axis=up), tooltip=told)
    nought = alt.Chart(pl.DataFrame({"growth": [0.0]})).mark_rule(color=GREY, strokeDash=[4, 4]).encode(y="growth:Q")
    layers: list[alt.Chart] = [nought, own]
    if rows["benchmark"].drop_nulls().len():
        layers.append(alt.Chart(shown).mark_line(color=GREY, strokeWidth=1.2, strokeDash=[5, 3]).encode(across, y="benchmark_growth:Q"))
    down = alt.Axis(format=f".{depth}%", tickCount=3, minExtent=SIDE, maxExtent=SIDE)
    falls = alt.Chart(shown).mark_area(color=ORANGE, opacity=0.45, line={"color": ORANGE, "strokeWidth": 1}).encode(
        days(rows["session"]), alt.Y("drawdown:Q", title=None, axis=down), tooltip=told
    )  # fmt: skip
    return alt.layer(*layers).properties(height=260), falls.properties(height=120)


def calendar(rows: pl.DataFrame, *, dark: bool) -> Picture:
    """Each session a square, weeks from left to right; the sign stands in the square. `rows`: session, return, net."""
    most = float(rows["return"].abs().max() or 0.01)  # type: ignore[arg-type]  # a float column
    form = "+.1%" if most >= 0.01 else "+.2%"
    sign = pl.when(pl.col("return") > 0).then(pl.lit("+")).when(pl.col("return") < 0).then(pl.lit("−")).otherwise(pl.lit("·"))
    week = pl.col("session").dt.truncate("1w").cast(pl.String)
    shown = rows.select("session", "return", "net", week.alias("week"), pl.col("session").dt.strftime("%a").alias("weekday"), sign.alias("sign"))
    last = rows["session"].to_list()[-1]
    weeks = max(WEEKS, ((last - rows["session"].to_list()[0]).days + 6) // 7 + 1)
    mondays = [(last - timedelta(days=last.weekday(), weeks=back)).isoformat() for back in range(weeks - 1, -1, -1)]
    # A month is named where its first days are; the weeks are words to the axis, whatever the browser's time zone.
    named = (
        "indexof(['01','02','03','04','05','06','07'], slice(datum.value, 8)) < 0 ? '' : monthAbbrevFormat(toNumber(slice(datum.value, 5, 7)) - 1)"
    )
    axis = alt.Axis(labelExpr=named, ticks=False, domain=False, labelAngle=0, labelOverlap=False)
    across = alt.X("week:O", title=None, scale=alt.Scale(domain=mondays), axis=axis)
    down = alt.Y("weekday:N", title=None, scale=alt.Scale(domain=WEEKDAYS), axis=alt.Axis(ticks=False, domain=False))
    scale = alt.Scale(domain=[-most, 0, most], range=[ORANGE, "#20242d" if dark else "#f4f4f2", BLUE], interpolate="rgb")
    told = [alt.Tooltip("session:T", format="%a %d %b %Y"), alt.Tooltip("return:Q", format="+.2%"), alt.Tooltip("net:Q", format="$,.2f")]
    legend = alt.Legend(orient="top", format=form, gradientLength=160, values=[-most, 0, most])
    squares = alt.Chart(shown).mark_rect(cornerRadius=2, stroke="transparent", strokeWidth=2).encode(
        across, down, alt.Color("return:Q", title=None, scale=scale, legend=legend), tooltip=told
    )  # fmt: skip
    signs = alt.Chart(shown).mark_text(fontSize=9, color="#e4e9f0" if dark else "#1d2733", opacity=0.65).encode(across, down, text="sign:N")
    return alt.layer(squares, signs).properties(height=190)


def spread(values: pl.DataFrame, field: str, form: str, title: str, *, worse: bool = False) -> Picture:
    """How often each size came; nought is where the colours change. `values`: one column."""
    placed = binned(values[field])
    if form.endswith("%") and float(placed["high"].max() or 0.0) - float(placed["low"].min() or 0.0) < 0.01:  # type: ignore[arg-type]  # float columns
        form = form.replace(".1", ".2")
    told = [title] if values[field].drop_nulls().len() < MANY else [title, f"outermost bars: all beyond ({BEYOND:.1%} each)"]
    bars = alt.Chart(values).mark_bar(binSpacing=1).encode(
        alt.X("low:Q", bin="binned", title=told, axis=alt.Axis(format=form, tickCount=8)), alt.X2("high:Q"),
        alt.Y("count:Q", title=None, axis=alt.Axis(tickCount=4, tickMinStep=1)), color=signed("middle", worse=worse),
        tooltip=[alt.Tooltip("low:Q", format=form, title="from"), alt.Tooltip("high:Q", format=form, title="to"), alt.Tooltip("count:Q")],
    )  # fmt: skip
    bars.data = placed
    rule = alt.Chart(pl.DataFrame({"low": [0.0]})).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x="low:Q")
    return alt.layer(bars, rule).properties(height=200)


def binned(values: pl.Series, bins: int = 40) -> pl.DataFrame:
    """Rows low, high, middle, count: equal bins with an edge at nought, so that none mixes gains and losses; many have `BEYOND` in the last ones."""
    known = values.drop_nulls().cast(pl.Float64)
    if len(known) >= MANY:
        known = known.clip(known.quantile(BEYOND), known.quantile(1 - BEYOND))
    empty = {"low": pl.Float64, "high": pl.Float64, "middle": pl.Float64, "count": pl.Int64}
    if known.is_empty():
        return pl.DataFrame(schema=empty)
    least, most = min(float(known.min() or 0.0), 0.0), max(float(known.max() or 0.0), 0.0)  # type: ignore[arg-type]  # a float column
    wide = (most - least) / bins or 1.0
    placed = pl.DataFrame({"bin": (known / wide).floor().cast(pl.Int64)})
    counted = placed.group_by("bin").len().sort("bin")
    low = counted["bin"].cast(pl.Float64) * wide
    return pl.DataFrame({"low": low, "high": low + wide, "middle": low + wide / 2, "count": counted["len"].cast(pl.Int64)}, schema=empty)


def parts(rows: pl.DataFrame, name: str, field: str = "net", form: str = "$,.0f") -> Picture:
    """A bar for each part, its sign in colour and direction. `rows`: the part's name, the figure, trades."""
    shown = rows.select(pl.col(name).cast(pl.String).fill_null("unknown").alias("name"), pl.col(field), "trades", "win_rate")
    bars: alt.Chart = alt.Chart(shown).mark_bar(height=LINE - 5).encode(
        alt.X(f"{field}:Q", title=None, axis=alt.Axis(format=form, tickCount=5)), ranked(shown["name"].to_list()), color=signed(field),
        tooltip=[alt.Tooltip("name:N", title=name), alt.Tooltip(f"{field}:Q", format=form), alt.Tooltip("trades:Q"),
                 alt.Tooltip("win_rate:Q", format=".0%")],
    )  # fmt: skip
    return bars.properties(height=rows_high(shown.height))


def cumulated(rows: pl.DataFrame, name: str) -> Picture:
    """Lines of cumulated dollars, one for each name, told apart by dash as well. `rows`: session, profit and the name."""
    names = sorted(rows[name].unique().to_list())
    legend = alt.Legend(orient="top", columns=4, symbolType="stroke")
    lines: alt.Chart = alt.Chart(rows).mark_line(strokeWidth=1.7, point=rows["session"].n_unique() < 20).encode(
        days(rows["session"]), alt.Y("profit:Q", title=None, axis=alt.Axis(format="$,.0f", tickCount=5)),
        alt.Color(f"{name}:N", title=None, scale=alt.Scale(domain=names), legend=legend),
        alt.StrokeDash(f"{name}:N", title=None, scale=alt.Scale(domain=names), legend=legend),
        tooltip=[alt.Tooltip("session:T", format="%d %b %Y"), alt.Tooltip(f"{name}:N"), alt.Tooltip("profit:Q", format="$,.2f")],
    )  # fmt: skip
    return lines.properties(height=240)
