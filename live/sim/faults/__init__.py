"""Faults: what an exchange does wrong on purpose, added while it runs or read from a scenario file before it starts.

A fault says what (`kind` and its parameters), where, when and how often. As TOML, for `python -m live.sim --scenario storm.toml`:

    [[fault]]
    kind = "stream.mute"            # the market data socket says nothing for 90 venue seconds, and answers pings
    stream = "market"
    from = "10:00"
    for = 90

    [[fault]]
    kind = "rest.status"            # the second order is accepted, and its sender reads 504
    method = "POST"
    path = "/v2/orders"
    skip = 1
    status = 504
    stage = "after"

    [[fault]]
    kind = "match.partial"          # exits of AAPL sell one share, and never another
    symbol = "AAPL"
    role = "take_profit"
    shares = 1

JSON is a list of the same tables, and `Exchange(scenario=[...])` and `Exchange.inject(kind=..., ...)` take the same fields.

Where (each a pattern or a list of patterns, `*` and `?` allowed, all of them must fit):
    stream (market, trading, polygon), type (message type or order event), method, path, symbol, client_order_id, role, side, state, event.
    A request has the symbols that its path, its query or its body names.
When: `at` (one moment), `every` (seconds until the next one), or a window `from`, `until` or `for` (seconds). Times are New York "10:00[:30]" of the
    running session, RFC 3339, or a number of seconds from now. What happens at a moment happens when its window begins.
How often: `skip` (occurrences let pass first), `times` (0 means without end), `probability` (seeded).
    Without `times` a fault of one occurrence happens once, but as often as it can while a window lasts, and with `every` without end.

| where | what |
|---|---|
| `kinds.py` | every kind of fault, its parameters, and the rows of the fault matrix that it serves |
| `fault.py`, `scenario.py`, `registry.py` | one fault read from a table, a file of them, those that are set and the log of what they did |
| `points.py` | where faults reach into the exchange |
| `streams/` | websockets: `doors.py` who gets in, `taps.py` between frame and socket, `frames.py` what becomes of one message |
| `rest/` | `requests.py` one request on its way, `refusals.py`, `answers.py`, `stale.py` orders as they were |
| `meddling.py`, `timed.py`, `bent.py` | matching by script; what happens at a moment; prices that moved |
| `faults.py`, `routes.py`, `command.py` | the object that the server owns, its HTTP, and `daybot fault` |
"""
