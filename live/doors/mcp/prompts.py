"""What a person can have a model go through before the open and after the close."""


def pre_market_review() -> str:
    """Before the open: is the session fit to trade, and what is on the list?"""
    return (
        "Review today's session before the open, in this order, and change nothing.\n"
        "1. daybot://health and daybot://session: mode (say first whether money is real), briefing, doubts, feeds, account.\n"
        "2. daybot://risk: state, limits with their use, strategies that may not enter and why.\n"
        "3. scan_symbols: the best candidates with score, sector, ATR, spread; which are blocked, and by what.\n"
        "4. daybot://positions: what is held from before, with or without a stop.\n"
        "Then say in five lines whether anything speaks against trading today, with the numbers, and what a person should look at himself. "
        "Figures that are missing are unknown: say so, and do not guess."
    )


def post_trade_review() -> str:
    """After the close, or after a trade: what happened, why, and what it cost."""
    return (
        "Review what was traded today, and change nothing.\n"
        "1. daybot://positions and orders (status all): is everything flat, is anything left?\n"
        "2. trade_log: entries, exits and refusals; for each trade read daybot://lineage/{order} back to the bars that sized it.\n"
        "3. performance and daybot://risk: profit, loss, drawdown, which limits were near.\n"
        "4. Compare what was decided with what was filled: price, quantity, time.\n"
        "Then say per trade in one line why it was made, how it ended and what it cost, and name at most three things worth studying, "
        "each with the number that speaks for it. Too few trades prove nothing: say how many there are."
    )


PROMPTS = (pre_market_review, post_trade_review)
