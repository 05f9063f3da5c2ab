"""Every error that DayBot raises on purpose.

DaybotError
├── SettingsError          a setting is missing or cannot be what it is
├── DataError              data is absent or cannot be true
│   ├── BadBar             a bar that no market can print
│   ├── MissingData        something that had to be there is not
│   ├── StaleBriefing      the briefing is not for this session
│   └── BrokenSnapshot     a published snapshot is not what was published
├── JournalError           the journal is broken or cannot be written
├── FeedError              a market data stream failed
└── BrokerError            the broker's answer
    ├── OrderRejected      a definite no
    └── Unreachable        no answer: the outcome is unknown

Each text says what was expected, what was found and what to do.
"""


class DaybotError(Exception):
    """The root: catch this at an edge, never inside."""


class SettingsError(DaybotError):
    """A setting is missing or cannot be what it is."""


class DataError(DaybotError):
    """Data is absent or cannot be true."""


class BadBar(DataError):
    """A bar that no market can print."""


class MissingData(DataError):
    """Something that had to be there is not."""


class StaleBriefing(DataError):
    """The briefing is not for this session."""


class BrokenSnapshot(DataError):
    """A published snapshot is not what was published."""


class JournalError(DaybotError):
    """The journal is broken or cannot be written."""


class FeedError(DaybotError):
    """A market data stream failed."""


class BrokerError(DaybotError):
    """The broker's answer."""


class OrderRejected(BrokerError):
    """A definite no, with the broker's own status, code and body.

    The contract is (HTTP status, code); the text may change without notice.
    """

    def __init__(self, status: int, code: int | None, message: str, extra: dict[str, object] | None = None) -> None:
        super().__init__(f"the broker refused with HTTP {status}, code {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.extra = extra or {}


class Unreachable(BrokerError):
    """No answer came, so the outcome is unknown: ask, never assume."""
