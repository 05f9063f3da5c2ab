"""An HTTP server that keeps what is posted to it: where webhooks and telemetry are sent, really."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Posted(ThreadingHTTPServer):
    """`bodies` with the moment at which each came, seconds of the monotonic clock; a path that begins with `/no` answers 500."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[tuple[float, bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/hook"

    @property
    def said(self) -> list[dict[str, Any]]:
        """The bodies, which are JSON."""
        return [json.loads(body) for _, body in self.bodies]

    def when(self, subject: str) -> float | None:
        """The moment at which the first alert came whose subject begins so."""
        return next((at for at, body in self.bodies if json.loads(body)["subject"].startswith(subject)), None)


class _Handler(BaseHTTPRequestHandler):
    server: Posted

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append((time.monotonic(), body))
        self.send_response(500 if self.path.startswith("/no") else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on the console."""


@contextmanager
def collecting() -> Iterator[Posted]:
    """One that runs in a thread of its own."""
    with Posted() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
