"""What happened on the account: executions, and the entries that are no trades, in one list by time."""

from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live.sim.alpaca.queries import choice, count, day_of, instant, words
from live.sim.alpaca.trading.wire import activity_json, entry_json
from live.sim.clock import new_york
from live.sim.errors import malformed
from live.sim.venue.account import Entry, Fill
from live.sim.venue.venue import Venue

KINDS = frozenset(
    {
        "FILL", "TRANS", "MISC", "ACATC", "ACATS", "CFEE", "CGD", "CSD", "CSW", "DIV", "DIVCGL", "DIVCGS",
        "DIVFEE", "DIVFT", "DIVNRA", "DIVROC", "DIVTW", "DIVTXEX", "FEE", "FXTRD", "INT", "INTNRA", "INTTW", "JNL",
        "JNLC", "JNLS", "MA", "NC", "OPASN", "OPCA", "OPCSH", "OPEXC", "OPEXP", "OPTRD", "PTC", "PTR",
        "REORG", "SC", "SPIN", "SPLIT", "SSO", "SSP", "SWP", "VOF", "WH",
    }
)  # fmt: skip


class Activities:
    """Routes over one venue."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def routes(self) -> list[Route]:
        return [
            Route("/v2/account/activities", self.activities, methods=["GET"]),
            Route("/v2/account/activities/{type}", self.activities, methods=["GET"]),
        ]

    async def activities(self, request: Request) -> Response:
        rows = [self._shown(each) for each in self._chosen(request)]
        if choice(request, "direction", ("asc", "desc"), "desc") == "desc":
            rows.reverse()
        token = request.query_params.get("page_token")
        if token:
            at = next((n for n, row in enumerate(rows) if row["id"] == token), None)
            if at is None:
                raise malformed(f"invalid page_token: {token}")
            rows = rows[at + 1 :]
        return JSONResponse(rows[: count(request, "page_size", default=100, most=100)])

    def _chosen(self, request: Request) -> list[Fill | Entry]:
        kinds, order = self._kinds(request), request.query_params.get("order_id")
        day, after, until = instant(request, "date"), instant(request, "after"), instant(request, "until", end_of_day=True)
        account = self._venue.desk.account
        every: list[Fill | Entry] = sorted([*account.fills, *account.entries], key=lambda each: each.at)
        return [
            each
            for each in every
            if _kind(each) in kinds
            and (not order or (isinstance(each, Fill) and each.order.id == order))
            and (day is None or new_york(each.at).date().isoformat() == day_of(day))
            and (after is None or each.at > after)
            and (until is None or each.at <= until)
        ]

    def _kinds(self, request: Request) -> frozenset[str]:
        """The path's type, or the query's list, or its category: not two of them."""
        named = [request.path_params["type"]] if "type" in request.path_params else words(request, "activity_types")
        category = choice(request, "category", ("trade_activity", "non_trade_activity"), "") if request.query_params.get("category") else ""
        unknown = [name for name in named if name not in KINDS]
        if unknown:
            raise malformed(f"invalid activity type: {unknown[0]}")
        if named and category:
            raise malformed("only one of activity_types or category is accepted")
        if named:
            return frozenset(named)
        return {"": KINDS, "trade_activity": frozenset({"FILL"}), "non_trade_activity": KINDS - {"FILL"}}[category]

    def _shown(self, each: Fill | Entry) -> dict[str, Any]:
        return activity_json(each) if isinstance(each, Fill) else entry_json(each)


def _kind(each: Fill | Entry) -> str:
    return "FILL" if isinstance(each, Fill) else each.kind


def flows(account_entries: list[Entry], kind: str, ends: list[int]) -> list[float]:
    """Cash that entries of a kind brought, added up to the end of each window."""
    return [float(sum((entry.cash for entry in account_entries if entry.kind == kind and entry.at < end), Decimal(0))) for end in ends]
