"""What the letters of exchanges and conditions mean, tape by tape; tapes A and B share theirs."""

from collections.abc import Mapping

EXCHANGES: Mapping[str, str] = {
    "A": "NYSE American (AMEX)", "B": "NASDAQ OMX BX", "C": "National Stock Exchange", "D": "FINRA ADF", "E": "Market Independent",
    "H": "MIAX", "I": "International Securities Exchange", "J": "Cboe EDGA", "K": "Cboe EDGX", "L": "Long Term Stock Exchange",
    "M": "Chicago Stock Exchange", "N": "New York Stock Exchange", "P": "NYSE Arca", "Q": "NASDAQ OMX", "S": "NASDAQ Small Cap",
    "T": "NASDAQ Int", "U": "Members Exchange", "V": "IEX", "W": "CBOE", "X": "NASDAQ OMX PSX", "Y": "Cboe BYX", "Z": "Cboe BZX",
}  # fmt: skip
_BOTH = {
    "C": "Cash Sale", "F": "Inter-market Sweep Order", "H": "Price Variation Trade", "I": "Odd Lot Trade", "L": "Sold Last",
    "M": "Market Center Official Close", "N": "Next Day Trade", "O": "Opening Prints", "P": "Prior Reference Price",
    "Q": "Market Center Official Open", "R": "Seller", "T": "Extended Hours Trade", "U": "Extended Hours Sold (Out Of Sequence)",
    "V": "Contingent Trade", "X": "Cross Trade", "Z": "Sold (Out Of Sequence)", "4": "Derivatively Priced", "5": "Re-Opening Prints",
    "6": "Closing Prints", "7": "Qualified Contingent Trade", "9": "Corrected Consolidated Close",
}  # fmt: skip
_CTA = {" ": "Regular Sale", "B": "Average Price Trade", "E": "Automatic Execution", "K": "Rule 127 or Rule 155 Trade"}
_UTP = {
    "@": "Regular Sale", "A": "Acquisition", "B": "Bunched Trade", "D": "Distribution", "G": "Bunched Sold Trade", "K": "Rule 155 Trade",
    "S": "Split Trade", "W": "Average Price Trade", "Y": "Yellow Flag Regular Trade", "1": "Stopped Stock (Regular Trade)",
}  # fmt: skip
TRADES: Mapping[str, Mapping[str, str]] = {"A": _CTA | _BOTH, "B": _CTA | _BOTH, "C": _UTP | _BOTH}
_REGULAR = "Regular Market Maker Open"
QUOTES: Mapping[str, Mapping[str, str]] = {"A": {"R": _REGULAR}, "B": {"R": _REGULAR}, "C": {"R": "Regular Two Sided Open"}}
"""The only condition that any quote has here."""
