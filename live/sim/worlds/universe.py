"""The listed companies of the generated world. Tickers and names are real so that sectors can be looked up; every price is invented."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Listing:
    """`price` is where the invented series starts, `sigma` its daily volatility, `volume` its mean shares a day."""

    symbol: str
    name: str
    exchange: str
    sector: str
    price: float
    sigma: float
    beta: float
    volume: float


def listings() -> list[Listing]:
    """Three or four names of each of the eleven GICS sectors, and SPY, which is the market factor itself."""
    return [Listing(*row) for row in _ROWS]


_TECHNOLOGY, _COMMUNICATION = "Information Technology", "Communication Services"
_DISCRETIONARY, _STAPLES = "Consumer Discretionary", "Consumer Staples"
_HEALTH, _FINANCIALS, _INDUSTRIALS, _ENERGY = "Health Care", "Financials", "Industrials", "Energy"
_MATERIALS, _UTILITIES, _ESTATE = "Materials", "Utilities", "Real Estate"
_ROWS = (
    ("SPY", "SPDR S&P 500 ETF Trust", "ARCA", "", 520.0, 0.0095, 1.00, 4.8e7),
    ("AAPL", "Apple Inc. Common Stock", "NASDAQ", _TECHNOLOGY, 210.0, 0.0155, 1.10, 4.6e7),
    ("MSFT", "Microsoft Corporation Common Stock", "NASDAQ", _TECHNOLOGY, 410.0, 0.0145, 1.05, 2.1e7),
    ("NVDA", "NVIDIA Corporation Common Stock", "NASDAQ", _TECHNOLOGY, 130.0, 0.0250, 1.60, 5.0e7),
    ("AVGO", "Broadcom Inc. Common Stock", "NASDAQ", _TECHNOLOGY, 240.0, 0.0235, 1.40, 2.4e7),
    ("GOOGL", "Alphabet Inc. Class A Common Stock", "NASDAQ", _COMMUNICATION, 170.0, 0.0165, 1.10, 2.6e7),
    ("META", "Meta Platforms, Inc. Class A Common Stock", "NASDAQ", _COMMUNICATION, 540.0, 0.0195, 1.20, 1.3e7),
    ("NFLX", "Netflix, Inc. Common Stock", "NASDAQ", _COMMUNICATION, 650.0, 0.0190, 1.05, 4.0e6),
    ("DIS", "Walt Disney Company (The) Common Stock", "NYSE", _COMMUNICATION, 105.0, 0.0155, 0.95, 1.0e7),
    ("AMZN", "Amazon.com, Inc. Common Stock", "NASDAQ", _DISCRETIONARY, 185.0, 0.0180, 1.20, 3.8e7),
    ("TSLA", "Tesla, Inc. Common Stock", "NASDAQ", _DISCRETIONARY, 250.0, 0.0250, 1.50, 5.0e7),
    ("HD", "Home Depot, Inc. (The) Common Stock", "NYSE", _DISCRETIONARY, 360.0, 0.0135, 0.95, 3.6e6),
    ("MCD", "McDonald's Corporation Common Stock", "NYSE", _DISCRETIONARY, 285.0, 0.0120, 0.60, 3.2e6),
    ("WMT", "Walmart Inc. Common Stock", "NYSE", _STAPLES, 78.0, 0.0120, 0.60, 1.7e7),
    ("PG", "Procter & Gamble Company (The) Common Stock", "NYSE", _STAPLES, 168.0, 0.0120, 0.50, 7.0e6),
    ("KO", "Coca-Cola Company (The) Common Stock", "NYSE", _STAPLES, 66.0, 0.0120, 0.50, 1.4e7),
    ("COST", "Costco Wholesale Corporation Common Stock", "NASDAQ", _STAPLES, 860.0, 0.0135, 0.80, 2.0e6),
    ("LLY", "Eli Lilly and Company Common Stock", "NYSE", _HEALTH, 820.0, 0.0195, 0.70, 3.1e6),
    ("UNH", "UnitedHealth Group Incorporated Common Stock", "NYSE", _HEALTH, 480.0, 0.0170, 0.60, 4.2e6),
    ("JNJ", "Johnson & Johnson Common Stock", "NYSE", _HEALTH, 158.0, 0.0120, 0.45, 7.2e6),
    ("PFE", "Pfizer, Inc. Common Stock", "NYSE", _HEALTH, 29.0, 0.0150, 0.60, 3.6e7),
    ("JPM", "JPMorgan Chase & Co. Common Stock", "NYSE", _FINANCIALS, 205.0, 0.0145, 1.00, 9.0e6),
    ("BAC", "Bank of America Corporation Common Stock", "NYSE", _FINANCIALS, 40.0, 0.0160, 1.10, 3.6e7),
    ("V", "Visa Inc.", "NYSE", _FINANCIALS, 280.0, 0.0125, 0.90, 6.2e6),
    ("GS", "Goldman Sachs Group, Inc. (The) Common Stock", "NYSE", _FINANCIALS, 490.0, 0.0165, 1.20, 2.2e6),
    ("CAT", "Caterpillar Inc. Common Stock", "NYSE", _INDUSTRIALS, 350.0, 0.0170, 1.10, 2.9e6),
    ("GE", "GE Aerospace Common Stock", "NYSE", _INDUSTRIALS, 175.0, 0.0170, 1.15, 5.4e6),
    ("UNP", "Union Pacific Corporation Common Stock", "NYSE", _INDUSTRIALS, 240.0, 0.0135, 0.90, 2.6e6),
    ("BA", "Boeing Company (The) Common Stock", "NYSE", _INDUSTRIALS, 180.0, 0.0215, 1.20, 8.0e6),
    ("XOM", "Exxon Mobil Corporation Common Stock", "NYSE", _ENERGY, 115.0, 0.0150, 0.75, 1.5e7),
    ("CVX", "Chevron Corporation Common Stock", "NYSE", _ENERGY, 150.0, 0.0150, 0.80, 8.0e6),
    ("COP", "ConocoPhillips Common Stock", "NYSE", _ENERGY, 112.0, 0.0175, 0.85, 6.0e6),
    ("LIN", "Linde plc Ordinary Shares", "NASDAQ", _MATERIALS, 450.0, 0.0125, 0.85, 1.9e6),
    ("FCX", "Freeport-McMoRan, Inc. Common Stock", "NYSE", _MATERIALS, 46.0, 0.0240, 1.40, 1.2e7),
    ("NEM", "Newmont Corporation", "NYSE", _MATERIALS, 48.0, 0.0210, 0.60, 1.0e7),
    ("NEE", "NextEra Energy, Inc. Common Stock", "NYSE", _UTILITIES, 78.0, 0.0150, 0.55, 1.0e7),
    ("DUK", "Duke Energy Corporation Common Stock", "NYSE", _UTILITIES, 110.0, 0.0120, 0.45, 3.2e6),
    ("SO", "Southern Company (The) Common Stock", "NYSE", _UTILITIES, 86.0, 0.0120, 0.45, 4.4e6),
    ("PLD", "Prologis, Inc. Common Stock", "NYSE", _ESTATE, 120.0, 0.0165, 1.05, 3.6e6),
    ("AMT", "American Tower Corporation Common Stock", "NYSE", _ESTATE, 215.0, 0.0160, 0.80, 2.1e6),
    ("EQIX", "Equinix, Inc. Common Stock REIT", "NASDAQ", _ESTATE, 830.0, 0.0155, 0.90, 1.0e6),
)
