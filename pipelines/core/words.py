"""What sentences need."""


def counted(number: int, noun: str) -> str:
    """'1 trade', '2 trades', '2 entries', '2 losses'."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"
