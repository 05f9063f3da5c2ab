"""Many parameter sets over the same past, compiled: the trades of the engine, thousands of times as fast.

A sweep is a portfolio sweep: within a set everything that couples symbols is there, minute by minute: sizing from equity, every room and
permission of the gate, cooldowns, the daily loss, the end of the day, partial fills, costs. What it leaves out is what a recorded minute bar cannot
bring: quotes, single trades, halts, bands, commands, a second strategy, entries at a limit, moved exits. Where a session comes into a state that it
does not model (`session.py` names them) it says so, and the engine itself runs that session of that set; so nothing ever differs silently.

`session.py` is the day's loop, `account.py` what a trade goes through, `entry.py` sizing and gate; formulas are those of the engine, shared.
`shapes.py` turns a briefing and its bars into arrays, `run.py` goes over days and sets, `ranking.py` says what to believe of the best one.
"""
