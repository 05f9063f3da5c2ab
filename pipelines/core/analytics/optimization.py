"""What to change: suggestions with their evidence, and silence where it is thin.

Every question is one about dollars a session: what would not trading this hour, this symbol or this strategy have brought, what other exits, what
a limit further out. The first part of the sessions chooses the questions that are worth asking; only the last part, which had no say in that,
answers them. So many answers at once are held to a false discovery rate (`chance.adjusted`): of all suggestions ever made by these rules no more
than `RATE` are expected to be luck, in a market without any edge too.

What the answers are not: they do not add up (an hour and a symbol may be the same trades), they take the size of positions as it was, and a limit
that lets more in leaves less room for others. Costs of the wishes that were never sent are those of the trades that were.
"""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipelines.core.analytics.chance import adjusted, evidence, t_ratio
from pipelines.core.analytics.scope import DIMENSIONS, Scope

RATE = 0.1
"""False discovery rate."""

LEARNED = 0.6
"""Share of the sessions that chooses."""

SESSIONS = 50
"""Sessions from which anything is said at all; of those that answer, `ACTIVE` have to have something to say."""
ACTIVE = 10

TRADES = 30
"""Round trips, or wishes, behind an answer."""

PROMISING = 1.0
"""Standard errors above zero in the sessions that choose, from which a question is asked."""

Values = NDArray[np.float64]


class Suggestion(BaseModel):
    """One change, with what it would have brought in the sessions that had no say in choosing it. Dollars a session of the whole book."""

    model_config = ConfigDict(frozen=True)

    rank: int = Field(description="1 is the best: by the lower end of the interval.")
    kind: str = Field(description="exits, limit, keep, or what the round trips were told apart by: strategy, symbol, sector, side, regime, hour.")
    subject: str = Field(description="What of that kind.")
    change: str = Field(description="What to do, in words.")
    setting: str = Field(description="The setting that does it; empty where no single one does.")
    effect: float = Field(description="Mean gain, dollars a session, out of sample.")
    low: float = Field(description="Lower end of its 95 % interval.")
    high: float = Field(description="Upper end.")
    before: float = Field(description="The same mean in the sessions that chose the question.")
    sessions: int = Field(description="Sessions of the answer.")
    trades: int = Field(description="Round trips or wishes behind the answer.")
    p: float = Field(description="Probability of such an answer by luck alone.")
    q: float = Field(description="The same after all questions that were asked: expected share of false suggestions down to this one.")
    evidence: str = Field(description="All of it in one sentence.")


SUGGESTIONS = pl.Schema(
    [
        ("rank", pl.Int64),
        *((name, pl.String) for name in ("kind", "subject", "change", "setting")),
        *((name, pl.Float64) for name in ("effect", "low", "high", "before")),
        ("sessions", pl.Int64),
        ("trades", pl.Int64),
        ("p", pl.Float64),
        ("q", pl.Float64),
        ("evidence", pl.String),
    ]
)
"""The fields of a `Suggestion`."""


class Optimization(NamedTuple):
    """The suggestions of a scope, best first. `considered` questions there were, `asked` were worth it; `words` says so, and why it is silent."""

    scope: Scope
    suggestions: tuple[Suggestion, ...]
    considered: int
    asked: int
    sessions: int
    split: date | None
    """First session of those that answer."""
    words: str

    @property
    def table(self) -> pl.DataFrame:
        """The suggestions as rows of `SUGGESTIONS`."""
        return pl.DataFrame([one.model_dump() for one in self.suggestions], schema=SUGGESTIONS)

    @property
    def verdict(self) -> pl.DataFrame:
        """One row: words, considered, asked, sessions, split."""
        names = ("words", "considered", "asked", "sessions", "split")
        schema = {**dict.fromkeys(names, pl.Int64), "words": pl.String, "split": pl.Date}
        return pl.DataFrame({name: [getattr(self, name)] for name in names}, schema=schema)


class Question(NamedTuple):
    """What a change would have brought: dollars and number of trades by session, in the order of the sessions."""

    kind: str
    subject: str
    change: str
    setting: str
    dollars: Values
    trades: NDArray[np.int64]


def optimization(
    days: pl.DataFrame, trips: pl.DataFrame, candidates: pl.DataFrame, exits: pl.DataFrame, scope: Scope, *, seed: int = 0
) -> Optimization:
    """The suggestions for a scope: rows of `books.DAYS`, `books.TRIPS`, `wishes.CANDIDATES` and `wishes.EXITS`."""
    sessions = scope.days(days)["session"].unique().sort()
    if len(sessions) < SESSIONS:
        return Optimization(
            scope, (), 0, 0, len(sessions), None, f"too few sessions to say anything: {len(sessions)} of the {SESSIONS} that it takes"
        )
    own, wanted = scope.rows(trips), scope.rows(candidates)
    asked = [*_groups(own, sessions, scope), *_limits(wanted, own, sessions), *_exits(scope.rows(exits), own, sessions)]
    split = round(len(sessions) * LEARNED)
    worth = [question for question in _chosen(asked, split) if _speaks(question, split)]
    found = _answered(worth, split, np.random.default_rng(seed), sessions[split])
    return Optimization(scope, found, len(asked), len(worth), len(sessions), sessions[split], _words(found, asked, worth, sessions, split))


# --- questions


def _groups(trips: pl.DataFrame, sessions: pl.Series, scope: Scope) -> Iterator[Question]:
    """Without the trades of one strategy, symbol, sector, side, regime or hour; not of the only one that there is."""
    for name in DIMENSIONS:
        if getattr(scope, name) is not None or trips[name].n_unique() < 2:
            continue
        for (value,), rows in trips.partition_by(name, as_dict=True).items():
            if value is not None:
                change, setting = _without(name, value)
                yield Question(name, _called(name, value), change, setting, *_summed(rows.with_columns(-pl.col("net")), "net", sessions))


def _limits(candidates: pl.DataFrame, trips: pl.DataFrame, sessions: pl.Series) -> Iterator[Question]:
    """Each limit farther out, and each as it is: what it took away, at the costs that trades have had."""
    known = candidates.filter(pl.col("first") & pl.col("forgone").is_not_null() & (pl.col("wanted") > pl.col("quantity")))
    friction = _friction(candidates, trips)
    at_risk = (pl.col("price") - pl.col("stop")).abs() * (pl.col("wanted") - pl.col("quantity"))
    charged = known.with_columns((pl.col("forgone") - friction * at_risk).alias("gain"))
    for (code, setting), rows in charged.partition_by("code", "setting", as_dict=True).items():
        name = str(setting or code).upper()
        yield Question("limit", str(code), f"loosen {name}: what it refused would have earned money", name, *_summed(rows, "gain", sessions))
        kept = rows.with_columns(-pl.col("gain"))
        yield Question("keep", str(code), f"keep {name}: what it refused would have lost money", name, *_summed(kept, "gain", sessions))


def _friction(candidates: pl.DataFrame, trips: pl.DataFrame) -> float:
    """What a trade earned less than its wish would have on the bars alone, in R: spread, footprint, fees. 0 where none can be compared."""
    risk = (pl.col("arrival") - pl.col("stop")).abs() * pl.col("quantity")
    real = trips.filter(risk > 0).select("session", "symbol", "strategy", "side", "reason", (pl.col("fees") / risk).alias("fees_r"), "r")
    closed = real.filter(pl.col("reason").is_in(["stop", "target"]))
    wished = candidates.filter((pl.col("outcome") == "entered") & pl.col("first")).select("session", "symbol", "strategy", "side", "forgone_r")
    keys = ["session", "symbol", "strategy", "side"]
    both = closed.unique(keys, keep="none").join(wished.unique(keys, keep="none"), on=keys).drop_nulls(["forgone_r", "r"])
    mean = (both["forgone_r"] - both["r"] + both["fees_r"]).mean()
    return max(float(mean), 0.0) if isinstance(mean, float) else 0.0


def _exits(exits: pl.DataFrame, trips: pl.DataFrame, sessions: pl.Series) -> Iterator[Question]:
    """Stop and target at other multiples of ATR, against those that each trade had, both on the bars; strategy by strategy."""
    present = exits.filter("present").select("session", "trade", pl.col("profit").alias("base"), "stop_atr", "target_atr")
    tried = exits.filter(~pl.col("present")).rename({"stop_atr": "stop", "target_atr": "target"})
    both = tried.join(present, on=["session", "trade"]).with_columns((pl.col("profit") - pl.col("base")).alias("gain"))
    for own in both.partition_by("strategy", maintain_order=True):
        strategy = own["strategy"].item(0)
        now = present.join(own.select("session", "trade").unique(), on=["session", "trade"], how="semi")
        had = " and ".join(
            f"{np.median(multiples):.3g}" for name in ("stop_atr", "target_atr") if len(multiples := now[name].drop_nulls().to_numpy())
        )
        for (near, far), rows in own.partition_by("stop", "target", as_dict=True, maintain_order=True).items():
            setting = f"STOP_ATR={near:g} TARGET_ATR={far:g}" if _alike(now["stop_atr"]) else ""
            change = f"{strategy}: stop {near:g} and target {far:g} ATR in the place of {had}"
            yield Question("exits", f"{strategy} {near:g}/{far:g}", change, setting, *_summed(rows, "gain", sessions))


def _alike(multiples: pl.Series) -> bool:
    """Whether all of a strategy's stops are at one multiple, but for the tick: then they are the settings', else its own."""
    return bool(len(multiples)) and float(np.ptp(multiples.to_numpy())) < 0.05


def _summed(rows: pl.DataFrame, name: str, sessions: pl.Series) -> tuple[Values, NDArray[np.int64]]:
    """(dollars, how many) by session; 0 in a session without any."""
    summed = rows.group_by("session").agg(pl.col(name).sum(), pl.len().alias("n"))
    whole = pl.DataFrame({"session": sessions}).join(summed, on="session", how="left", maintain_order="left").fill_null(0)
    return whole[name].to_numpy().astype(np.float64), whole["n"].to_numpy().astype(np.int64)


def _called(name: str, value: object) -> str:
    return f"{value}:00 to {value}:59 New York" if name == "hour" else {"buy": "long", "sell": "short"}.get(str(value), str(value))


def _without(name: str, value: object) -> tuple[str, str]:
    """In words, and the setting that does it where one does."""
    match name, value:
        case "symbol", _:
            return f"leave {value} alone", f"RESTRICTED={value}"
        case "strategy", _:
            return f"take {value} off", "STRATEGIES"
        case "side", "sell":
            return "sell nothing short", "SHORTS=false"
        case "hour", 9:
            return "enter nothing before 10:00", "MARKET_OPEN_BUFFER=30"
        case "hour", _:
            return f"enter nothing from {value}:00 to {value}:59 New York", ""
    return f"enter nothing where the {name} is {_called(name, value)}", ""


# --- answers


def _chosen(asked: list[Question], split: int) -> Iterator[Question]:
    """By the first sessions alone: what looks promising, and of all the exits of a strategy only the best."""
    best: dict[str, Question] = {}
    for question in asked:
        if t_ratio(question.dollars[:split]) < PROMISING:
            continue
        if question.kind != "exits":
            yield question
            continue
        strategy = question.subject.partition(" ")[0]
        if strategy not in best or t_ratio(question.dollars[:split]) > t_ratio(best[strategy].dollars[:split]):
            best[strategy] = question
    yield from best.values()


def _speaks(question: Question, split: int) -> bool:
    """Whether the last sessions have enough to say of it; how much they have is no matter of what they say."""
    trades = question.trades[split:]
    return int(trades.sum()) >= TRADES and int(np.count_nonzero(question.dollars[split:])) >= ACTIVE


def _answered(worth: list[Question], split: int, rng: np.random.Generator, since: date) -> tuple[Suggestion, ...]:
    answers = [evidence(question.dollars[split:], rng) for question in worth]
    expected = adjusted(np.array([answer.p for answer in answers]))
    kept = [(q, a, float(e)) for q, a, e in zip(worth, answers, expected, strict=True) if e <= RATE]
    kept.sort(key=lambda one: (-one[1].low, one[0].kind, one[0].subject))
    found = []
    for rank, (question, answer, share) in enumerate(kept, start=1):
        later, before, trades = len(question.dollars) - split, float(np.mean(question.dollars[:split])), int(question.trades[split:].sum())
        said = (
            f"{trades} trades in {later} sessions since {since}: {answer.mean:+,.2f} dollars a session "
            f"(95 %: {answer.low:+,.2f} to {answer.high:+,.2f}), {before:+,.2f} in the {split} before, which chose it; "
            f"p {answer.p:.4f}, q {share:.3f} of {len(worth)} questions"
        )
        named = {name: getattr(question, name) for name in ("kind", "subject", "change", "setting")}
        numbers = {"effect": answer.mean, "low": answer.low, "high": answer.high, "before": before, "sessions": later, "trades": trades}
        found.append(Suggestion(rank=rank, **named, **numbers, p=answer.p, q=share, evidence=said))
    return tuple(found)


def _words(found: tuple[Suggestion, ...], asked: list[Question], worth: list[Question], sessions: pl.Series, split: int) -> str:
    first, since, last = sessions[0], sessions[split], sessions[-1]
    told = f"{len(found)} suggestions" if found else "nothing to suggest"
    return (
        f"{told}: of {len(asked)} questions {len(worth)} looked promising from {first} to {sessions[split - 1]}, and were put to "
        f"the {len(sessions) - split} sessions from {since} to {last}; at most {RATE:.0%} of the suggestions are expected to be luck"
    )
