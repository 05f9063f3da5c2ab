"""The simulated exchange: a venue, its market data and its account behind the real wires, for real unmodified clients.

It shares no code with the rest of DayBot, because it is what the rest is tested against.
"""
