"""Joins what the broker says by stream and by answers: an update may come before the answer to the request that caused it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from live.brokers import reading
from live.brokers.words import Body, Words
from pipelines.core.trading.events import Event

Emit = Callable[[Event], None]

Note = Callable[[str, dict[str, Any]], None]
"""Told of what is no event and belongs into the journal: its kind, and the data."""

FILLS = frozenset({"fill", "partial_fill"})

UNREADABLE = (KeyError, TypeError, ValueError, AttributeError)


class Hearing:
    """Of one broker. What cannot be read is noted, and asked for by REST."""

    def __init__(
        self, words: Words, *, emit: Emit, note: Note, heard: Callable[[], None], missed: Callable[[], None], unwanted: Callable[[str], None]
    ) -> None:
        """`unwanted` is told of the broker's id of an order that lives although it was given up."""
        self._words, self._emit, self._note, self._heard, self._missed, self._unwanted = words, emit, note, heard, missed, unwanted
        self._open: Counter[str] = Counter()
        """Requests by symbol of which the broker's id is not known yet."""
        self._early: dict[str, list[Body]] = {}
        """Updates by symbol that name an order nobody has heard of, while there are such requests."""
        self._inherited: set[str] = set()
        """Symbols of a run that died, until its orders were looked up."""
        self._given_up: set[str] = set()

    def hear(self, data: Body) -> None:
        """An update of the stream."""
        try:
            body = data["order"]
            if self._open[body["symbol"]] and self._words.ours(body) is None:
                self._early.setdefault(body["symbol"], []).append(data)
            else:
                self.tell(body, str(data["event"]))
        except UNREADABLE as error:
            self._note("garbled", {"error": f"{type(error).__name__}: {error}", "update": repr(data)[:2000]})
            self._missed()
        self._heard()

    def say(self, body: Body, event: str) -> None:
        """An order that was asked for."""
        try:
            self._words.name(body)
            if not self._open[body["symbol"]] or self._words.ours(body) is not None:
                self.tell(body, event)
        except UNREADABLE as error:
            self._note("garbled", {"error": f"{type(error).__name__}: {error}", "order": repr(body)[:2000]})

    def tell(self, body: Body, event: str) -> None:
        """All that is news in it, as events."""
        for said in self._words.tell(body, event):
            self._emit(said)
        name = self._words.ours(body)
        if name is None and event in FILLS:
            self._missed()  # somebody else moves the account: the difference is looked for at once
        if name in self._given_up and reading.is_open(body):
            self._given_up.discard(str(name))
            self._note("late", {"id": name, "order": body["id"]})
            self._unwanted(body["id"])

    def give_up(self, name: str) -> None:
        """This order is thought not to exist. Should it show up, nobody wants it any more."""
        self._given_up.add(name)

    @contextmanager
    def unnamed(self, symbol: str) -> Iterator[None]:
        """Inside, updates of orders in this symbol that nobody has heard of wait: they may be legs of one that is being sent."""
        self._open[symbol] += 1
        try:
            yield
        finally:
            self._named(symbol)

    def wait_for(self, symbols: Iterable[str]) -> None:
        """The same for the symbols of a run that died, until its orders have been looked up."""
        self._inherited = set(symbols)
        self._open.update(self._inherited)

    def caught_up(self) -> None:
        """They have."""
        inherited, self._inherited = self._inherited, set()
        for symbol in sorted(inherited):
            self._named(symbol)

    def _named(self, symbol: str) -> None:
        """A request less in this symbol whose orders have no names yet."""
        self._open[symbol] -= 1
        for data in self._early.pop(symbol, []) if not self._open[symbol] else []:
            self.hear(data)
