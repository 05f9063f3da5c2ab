"""From the SEC's industry code (SIC) to a sector of GICS, where nobody gives the sector itself.

The codes and their texts are the SEC's (sec.gov, "Division of Corporation Finance: Standard Industrial Classification Code List"). There is
no official bridge to GICS: this one goes by major group (the first two digits) and names the groups within it that GICS files elsewhere,
by GICS's own definitions of its industries (MSCI and S&P, "Global Industry Classification Standard", 2023). A code says what a company
registered as, often long ago: a payment network is "business services" here. So it is the fallback and never overrides a maintained list.
"""

from pipelines.core.briefing import UNKNOWN_SECTOR

COMMUNICATION, DISCRETIONARY, STAPLES = "Communication Services", "Consumer Discretionary", "Consumer Staples"
ENERGY, FINANCIALS, HEALTH, INDUSTRIALS = "Energy", "Financials", "Health Care", "Industrials"
TECHNOLOGY, MATERIALS, ESTATE, UTILITIES = "Information Technology", "Materials", "Real Estate", "Utilities"

WITHIN = (
    (800, 899, MATERIALS),  # forestry
    (1520, 1531, DISCRETIONARY),  # home builders
    (2451, 2452, DISCRETIONARY),  # mobile homes
    (2520, 2539, INDUSTRIALS),  # office and public furniture
    (2750, 2799, INDUSTRIALS),  # commercial printing
    (2833, 2836, HEALTH),  # medicinal chemicals, drugs, biological products
    (2840, 2844, STAPLES),  # soap, cleaners, cosmetics
    (3011, 3021, DISCRETIONARY),  # tires, rubber footwear
    (3410, 3412, MATERIALS),  # metal cans
    (3570, 3579, TECHNOLOGY),  # computers and office equipment
    (3630, 3639, DISCRETIONARY),  # household appliances
    (3651, 3652, DISCRETIONARY),  # household audio and video
    (3661, 3679, TECHNOLOGY),  # communication equipment, semiconductors, components
    (3711, 3716, DISCRETIONARY),  # motor vehicles and their parts
    (3751, 3751, DISCRETIONARY),  # motorcycles
    (3790, 3799, DISCRETIONARY),  # recreational vehicles
    (3812, 3812, INDUSTRIALS),  # navigation and aeronautical systems
    (3821, 3825, TECHNOLOGY),  # measuring and controlling instruments
    (3826, 3826, HEALTH),  # laboratory analytical instruments
    (3827, 3829, TECHNOLOGY),
    (3861, 3861, TECHNOLOGY),  # photographic equipment
    (3873, 3873, DISCRETIONARY),  # watches
    (4922, 4922, ENERGY),  # natural gas transmission
    (4950, 4959, INDUSTRIALS),  # waste
    (5000, 5013, DISCRETIONARY),  # motor vehicles wholesale
    (5045, 5045, TECHNOLOGY),  # computers wholesale
    (5047, 5047, HEALTH),  # medical supplies wholesale
    (5050, 5051, MATERIALS),  # metals wholesale
    (5065, 5065, TECHNOLOGY),  # electronic parts wholesale
    (5122, 5122, HEALTH),  # drugs wholesale
    (5130, 5139, DISCRETIONARY),  # apparel wholesale
    (5160, 5169, MATERIALS),  # chemicals wholesale
    (5171, 5172, ENERGY),  # petroleum wholesale
    (5331, 5331, STAPLES),  # variety stores: the big discounters and warehouse clubs
    (5912, 5912, STAPLES),  # drug stores
    (6324, 6324, HEALTH),  # hospital and medical service plans
    (6500, 6599, ESTATE),
    (6792, 6792, ENERGY),  # oil royalty traders
    (6798, 6798, ESTATE),  # real estate investment trusts
    (7310, 7319, COMMUNICATION),  # advertising
    (7370, 7370, COMMUNICATION),  # what internet platforms are filed under
    (7371, 7379, TECHNOLOGY),
    (8200, 8299, DISCRETIONARY),  # education
    (8351, 8351, DISCRETIONARY),  # child day care
    (8731, 8734, HEALTH),  # contract research, testing laboratories
)
"""(first, last, sector) of four-digit codes that GICS files apart from their major group."""

GROUPS = (
    (1, 9, STAPLES),
    (10, 10, MATERIALS),
    (12, 13, ENERGY),
    (14, 14, MATERIALS),
    (15, 17, INDUSTRIALS),
    (20, 21, STAPLES),
    (22, 23, DISCRETIONARY),
    (24, 24, MATERIALS),
    (25, 25, DISCRETIONARY),
    (26, 26, MATERIALS),
    (27, 27, COMMUNICATION),
    (28, 28, MATERIALS),
    (29, 29, ENERGY),
    (30, 30, MATERIALS),
    (31, 31, DISCRETIONARY),
    (32, 33, MATERIALS),
    (34, 37, INDUSTRIALS),
    (38, 38, HEALTH),
    (39, 39, DISCRETIONARY),
    (40, 45, INDUSTRIALS),
    (46, 46, ENERGY),
    (47, 47, INDUSTRIALS),
    (48, 48, COMMUNICATION),
    (49, 49, UTILITIES),
    (50, 50, INDUSTRIALS),
    (51, 51, STAPLES),
    (52, 53, DISCRETIONARY),
    (54, 54, STAPLES),
    (55, 59, DISCRETIONARY),
    (60, 67, FINANCIALS),
    (70, 72, DISCRETIONARY),
    (73, 76, INDUSTRIALS),
    (78, 78, COMMUNICATION),
    (79, 79, DISCRETIONARY),
    (80, 80, HEALTH),
    (81, 81, INDUSTRIALS),
    (87, 87, INDUSTRIALS),
)
"""(first, last, sector) of major groups. What is not named (social services, associations, public bodies, 99 "nonclassifiable") is unknown."""


def sector(sic: str) -> str:
    """The sector of a four-digit code ("3571"); unknown for anything else, and for the groups that no sector fits."""
    if not (sic.isascii() and sic.isdecimal() and len(sic) in (3, 4)):
        return UNKNOWN_SECTOR
    code = int(sic)
    found = [sector for first, last, sector in WITHIN if first <= code <= last]
    found += [sector for first, last, sector in GROUPS if first <= code // 100 <= last]
    return found[0] if found else UNKNOWN_SECTOR
