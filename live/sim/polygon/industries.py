"""Industries by SIC, as the SEC files them: Polygon's only word on what a company does, and DayBot's source for sectors."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Industry:
    """`code` is the four-digit SIC, `text` its name in capitals; `cik` the company's SEC number, empty when it is not known here."""

    code: str
    text: str
    cik: str = ""


def industry(symbol: str, sector: str) -> Industry | None:
    """Of a listed company, or one that fits its GICS sector; none for a fund, which has no sector."""
    known = _COMPANIES.get(symbol)
    if known is not None:
        return Industry(known[0], _TEXTS[known[0]], known[1])
    code = _USUAL.get(sector)
    return Industry(code, _TEXTS[code]) if code is not None else None


_TEXTS = {
    "1000": "METAL MINING",
    "1040": "GOLD & SILVER ORES",
    "1311": "CRUDE PETROLEUM & NATURAL GAS",
    "2080": "BEVERAGES",
    "2810": "INDUSTRIAL INORGANIC CHEMICALS",
    "2834": "PHARMACEUTICAL PREPARATIONS",
    "2840": "SOAP, DETERGENTS, CLEANG PREPARATIONS, PERFUMES, COSMETICS",
    "2911": "PETROLEUM REFINING",
    "3531": "CONSTRUCTION MACHINERY & EQUIP",
    "3571": "ELECTRONIC COMPUTERS",
    "3674": "SEMICONDUCTORS & RELATED DEVICES",
    "3711": "MOTOR VEHICLES & PASSENGER CAR BODIES",
    "3721": "AIRCRAFT",
    "3724": "AIRCRAFT ENGINES & ENGINE PARTS",
    "4011": "RAILROADS, LINE-HAUL OPERATING",
    "4911": "ELECTRIC SERVICES",
    "4931": "ELECTRIC & OTHER SERVICES COMBINED",
    "5211": "RETAIL-LUMBER & OTHER BUILDING MATERIALS DEALERS",
    "5331": "RETAIL-VARIETY STORES",
    "5812": "RETAIL-EATING PLACES",
    "5961": "RETAIL-CATALOG & MAIL-ORDER HOUSES",
    "6021": "NATIONAL COMMERCIAL BANKS",
    "6211": "SECURITY BROKERS, DEALERS & FLOTATION COMPANIES",
    "6324": "HOSPITAL & MEDICAL SERVICE PLANS",
    "6798": "REAL ESTATE INVESTMENT TRUSTS",
    "7370": "SERVICES-COMPUTER PROGRAMMING, DATA PROCESSING, ETC.",
    "7372": "SERVICES-PREPACKAGED SOFTWARE",
    "7389": "SERVICES-BUSINESS SERVICES, NEC",
    "7841": "SERVICES-VIDEO TAPE RENTAL",
    "7990": "SERVICES-MISCELLANEOUS AMUSEMENT & RECREATION",
}
_USUAL = {
    "Information Technology": "7372",
    "Communication Services": "7370",
    "Consumer Discretionary": "5961",
    "Consumer Staples": "5331",
    "Health Care": "2834",
    "Financials": "6021",
    "Industrials": "3531",
    "Energy": "1311",
    "Materials": "2810",
    "Utilities": "4911",
    "Real Estate": "6798",
}
_COMPANIES = {
    "AAPL": ("3571", "0000320193"),
    "MSFT": ("7372", "0000789019"),
    "NVDA": ("3674", "0001045810"),
    "AVGO": ("3674", "0001730168"),
    "GOOGL": ("7370", "0001652044"),
    "META": ("7370", "0001326801"),
    "NFLX": ("7841", "0001065280"),
    "DIS": ("7990", "0001744489"),
    "AMZN": ("5961", "0001018724"),
    "TSLA": ("3711", "0001318605"),
    "HD": ("5211", "0000354950"),
    "MCD": ("5812", "0000063908"),
    "WMT": ("5331", "0000104169"),
    "PG": ("2840", "0000080424"),
    "KO": ("2080", "0000021344"),
    "COST": ("5331", "0000909832"),
    "LLY": ("2834", "0000059478"),
    "UNH": ("6324", "0000731766"),
    "JNJ": ("2834", "0000200406"),
    "PFE": ("2834", "0000078003"),
    "JPM": ("6021", "0000019617"),
    "BAC": ("6021", "0000070858"),
    "V": ("7389", "0001403161"),
    "GS": ("6211", "0000886982"),
    "CAT": ("3531", "0000018230"),
    "GE": ("3724", "0000040545"),
    "UNP": ("4011", "0000100885"),
    "BA": ("3721", "0000012927"),
    "XOM": ("2911", "0000034088"),
    "CVX": ("2911", "0000093410"),
    "COP": ("1311", "0001163165"),
    "LIN": ("2810", "0001707925"),
    "FCX": ("1000", "0000831259"),
    "NEM": ("1040", "0001164727"),
    "NEE": ("4911", "0000753308"),
    "DUK": ("4931", "0001326160"),
    "SO": ("4911", "0000092122"),
    "PLD": ("6798", "0001045609"),
    "AMT": ("6798", "0001053507"),
    "EQIX": ("6798", "0001101239"),
}
