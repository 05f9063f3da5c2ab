"""What happens, as it happens: server-sent events that a client takes up again where it was cut off, by the number of the journal's record."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import FastAPI, Header, Query, Request
from fastapi.responses import StreamingResponse

from live.doors.routes import who
from live.problems import ToolError
from live.tools.desk import Desk
from live.tools.reading import happened
from live.tools.reports import Happened

HEARTBEAT = 10.0
"""Wall seconds of silence after which a comment is sent, so that both sides know that the other is there."""

STREAMS = 8
"""Of one caller at once; each holds one of the door's connections."""


def add(app: FastAPI, desk: Desk) -> None:
    """The route of the stream."""
    open_: Counter[str] = Counter()

    @app.get("/events", response_class=StreamingResponse, tags=["events"], responses={200: {"content": {"text/event-stream": {}}}})
    async def events(
        request: Request,
        after: Annotated[int | None, Query(ge=0, description="Begin after this record; left out: with what happens from now on.")] = None,
        last: Annotated[str | None, Header(alias="Last-Event-ID", max_length=20, pattern=r"^[0-9]+$")] = None,
    ) -> StreamingResponse:
        """Decisions, the broker's words, commands, feeds and alarms as server-sent events; `Last-Event-ID` takes up where one was cut off."""
        caller = who(request, None)
        if open_[caller] >= STREAMS:
            raise ToolError(503, "TOO_MANY_STREAMS", "too many streams", f"expected fewer than {STREAMS} open streams of {caller}; close one")
        begin = int(last) if last is not None else after
        if begin is None:
            begin = desk.happened[-1][0] if desk.happened else 0

        async def told() -> AsyncIterator[str]:
            open_[caller] += 1
            try:
                async for text in _told(desk, begin):
                    yield text
            finally:
                open_[caller] -= 1

        return StreamingResponse(told(), media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"})


async def _told(desk: Desk, after: int) -> AsyncIterator[str]:
    if after < desk.dropped:
        yield f'event: missed\ndata: {{"from": {after}, "to": {desk.dropped}}}\n\n'
    yield ": open\n\n"
    while not desk.runner.over:
        fresh = happened(desk, after)
        for one in fresh:
            yield _written(one)
            after = one.id
        if not fresh and not await desk.moved(HEARTBEAT):
            yield ": alive\n\n"
    for one in happened(desk, after):
        yield _written(one)
    yield "event: over\ndata: {}\n\n"


def _written(one: Happened) -> str:
    return f"id: {one.id}\nevent: {one.kind}\ndata: {one.model_dump_json()}\n\n"
