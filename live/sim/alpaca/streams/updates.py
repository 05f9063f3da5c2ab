"""The order-event stream's conversation (`/stream`): authorization, then which streams to listen to. The server never speaks first."""

from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from live.sim.alpaca.streams.broadcast import Streams
from live.sim.alpaca.streams.lines import TradingLine


class Updates:
    """Serves order-event clients; the events themselves are written by the streams."""

    def __init__(self, streams: Streams, accepts: Any, patience: float) -> None:
        self._streams = streams
        self._accepts = accepts
        self._patience = patience

    async def serve(self, socket: WebSocket) -> None:
        """No greeting: the first frame a client gets is the answer to its authentication."""
        await socket.accept()
        line = TradingLine(socket, self._patience)
        entered = False
        self._streams.enter(line)
        try:
            while True:
                message = await line.read()
                entered = self._hear(line, message if isinstance(message, dict) else {}, entered=entered)
                await line.flush()
        except WebSocketDisconnect:
            pass
        finally:
            self._streams.leave(line)

    def _hear(self, line: TradingLine, message: dict[str, Any], *, entered: bool) -> bool:
        """Answer one message; says whether the client is authenticated after it."""
        action, data = message.get("action"), message.get("data")
        data = data if isinstance(data, dict) else {}
        if action in ("auth", "authenticate"):
            key, secret = message.get("key") or data.get("key_id"), message.get("secret") or data.get("secret_key")
            good = bool(self._accepts(key, secret))
            line.say({"stream": "authorization", "data": {"status": "authorized" if good else "unauthorized", "action": "authenticate"}})
            line.listens = line.listens and good
            return good
        if not entered:
            line.say({"stream": "authorization", "data": {"status": "unauthorized", "action": "listen"}})
        elif action == "listen":
            streams = data.get("streams")
            chosen = ["trade_updates"] if isinstance(streams, list) and "trade_updates" in streams else []
            line.listens = bool(chosen)
            line.say({"stream": "listening", "data": {"streams": chosen}})
        else:
            line.say({"action": "error", "data": {"error_message": "invalid action"}})
        return entered
