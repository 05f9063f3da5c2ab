"""An exchange inside the calling process: a real server on a free port in a thread of its own, for tests and notebooks."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import httpx

from live.sim.alpaca.streams.market import PLANS, Plan
from live.sim.clock import SECOND, local, rfc3339
from live.sim.faults.fault import FaultError
from live.sim.polygon.terms import Terms
from live.sim.server import Exchange as Core
from live.sim.server import Options
from live.sim.venue.fees import REGULATORY, Rates
from live.sim.wires.listen import Listener, listening
from live.sim.worlds.generated import GeneratedWorld
from live.sim.worlds.world import World

_DAY = date(2026, 11, 20)


class Exchange:
    """`with Exchange(stepped=True) as exchange:` gives `url`, `stream`, `trading_stream`, `step` and `books`.

    Starts at 08:00 New York of `day` unless `start` (hour, minute) says otherwise. The rate limit is off unless given.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        stepped: bool = True,
        speed: float = 1.0,
        day: date | None = None,
        start: tuple[int, int] = (8, 0),
        seed: int = 7,
        cash: Decimal = Decimal(100_000),
        rate_limit: int = 0,
        partial_rate: float = 0.1,
        key: str | None = None,
        secret: str | None = None,
        skip_closed: bool = False,
        plan: Plan = PLANS["unlimited"],
        patience: float = 5.0,
        multiplier: int = 4,
        slip_rate: float = 0.0,
        dividends: bool = False,
        fees: Rates = REGULATORY,
        participation: float | None = None,
        scenario: Sequence[Mapping[str, Any]] = (),
        polygon: Terms | None = None,
    ) -> None:
        day = day or (_DAY if world is None or world.kind == "generated" else world.first)
        self.world: World = GeneratedWorld(day=day, seed=seed) if world is None else world
        self._options = Options(
            start=local(day, *start),
            cash=cash,
            speed=None if stepped else speed,
            skip_closed=skip_closed,
            key=key,
            secret=secret,
            rate_limit=rate_limit,
            partial_rate=partial_rate,
            plan=plan,
            patience=patience,
            multiplier=multiplier,
            slip_rate=slip_rate,
            dividends=dividends,
            fees=fees,
            participation=participation,
            scenario=scenario,
            polygon=polygon or Terms(),
        )
        self._ready = threading.Event()
        self._listener: Listener | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="exchange", daemon=True)
        self._client = httpx.Client(timeout=30, trust_env=False)
        self.url = ""

    @property
    def stream(self) -> str:
        """Address of the best market-data stream that the plan covers."""
        return self.url.replace("http", "ws", 1) + ("/v2/sip" if self._options.plan.recent_sip else "/v2/iex")

    @property
    def polygon_stream(self) -> str:
        """Address of Polygon's stocks stream. Its clients want the part between `ws://` and `/stocks` as their `feed`, and `secure=False`."""
        return self.url.replace("http", "ws", 1) + "/stocks"

    @property
    def trading_stream(self) -> str:
        return self.url.replace("http", "ws", 1) + "/stream"

    def clock(self) -> dict[str, Any]:
        return self._json(self._client.get(f"{self.url}/sim/clock"))

    def books(self) -> dict[str, Any]:
        return self._json(self._client.get(f"{self.url}/sim/books"))

    def inject(self, **fault: Any) -> dict[str, Any]:
        """Add a fault; answers it with its `id`. `from` is a word of Python: say `from_`."""
        answer = self._client.post(f"{self.url}/sim/faults", json={name.rstrip("_"): value for name, value in fault.items()})
        if answer.status_code == 422:
            raise FaultError(answer.json()["message"])
        return self._json(answer)

    def relent(self, name: str | None = None) -> None:
        """Remove one fault, or all of them."""
        self._client.delete(f"{self.url}/sim/faults/{name}" if name else f"{self.url}/sim/faults").raise_for_status()

    def burst(self, messages: int, **how: Any) -> dict[str, Any]:
        """Repeat what the stream clients were sent last, as fast as they read; `per_frame` and `per_second` shape it."""
        return self._json(self._client.post(f"{self.url}/sim/burst", json={"messages": messages, **how}, timeout=600))

    def step(self, seconds: float | None = None, *, to: str | None = None) -> dict[str, Any]:
        """Move venue time; answers the clock when everything due has run and all sockets are written."""
        return self._json(self._client.post(f"{self.url}/sim/clock/step", json={"seconds": seconds} if to is None else {"to": to}))

    def step_to(self, hour: int, minute: int = 0, second: float = 0) -> dict[str, Any]:
        """To a New York time of the running session."""
        now = self.clock()
        at = local(date.fromisoformat(now["session"]), hour, minute)
        return self.step(to=_text(at, second))

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._client.close()
            raise self._failure
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._loop is not None and self._listener is not None:
            self._loop.call_soon_threadsafe(self._listener.stop)
        self._thread.join()
        self._client.close()

    def _json(self, answer: httpx.Response) -> dict[str, Any]:
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as failure:  # handed to the thread that waits for the start
            self._failure = failure
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        core = Core(self.world, self._options)
        async with listening(core, port=0) as listener:
            self._loop, self._listener, self.url = asyncio.get_running_loop(), listener, listener.url
            self._ready.set()
            await listener.finished()


def _text(at: int, second: float) -> str:
    return rfc3339(at + round(second * SECOND))
