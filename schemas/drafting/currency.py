"""The currency of the amounts: from a column of codes, or from the signs at the numbers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from schemas.drafting.columns import ColumnProfile

_ISO: Final = """
AED ARS AUD BDT BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP GEL HKD HUF IDR ILS INR ISK JPY KES
KRW KWD KZT LKR MAD MXN MYR NGN NOK NZD PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD THB TND TRY TWD
UAH USD VND ZAR
"""
CODES: Final = frozenset(_ISO.split())
"""Of ISO 4217, those of most amounts."""
_MEANINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "€": ("EUR",),
    "£": ("GBP",),
    "zł": ("PLN",),
    "kč": ("CZK",),
    "₹": ("INR",),
    "₺": ("TRY",),
    "₩": ("KRW",),
    "us$": ("USD",),
    "a$": ("AUD",),
    "c$": ("CAD",),
    "r$": ("BRL",),
    "$": ("USD", "CAD", "AUD", "another dollar"),
    "¥": ("JPY", "CNY"),
    "kr": ("SEK", "NOK", "DKK"),
}
"""Codes that a sign may stand for, the likelier first."""
_LIKELY: Final = frozenset({"$", "¥"})
"""Signs of several currencies of which the first is taken, with a doubt; krones are as likely."""
SIGNS: Final = (*_MEANINGS, *sorted(CODES))
_ONE: Final = "all amounts of a contract are in one"


class Currency(NamedTuple):
    """What is known of the currency."""

    code: str | None
    """Of ISO 4217; None if it is not known."""
    doubt: str | None
    """To look at, if it is doubtful or not known."""


def currency_of(columns: Iterable[ColumnProfile], amounts: Iterable[ColumnProfile]) -> Currency:
    """The currency that the file states.

    Args:
        columns: all of the file.
        amounts: those whose numbers have signs of a currency.
    """
    coded = [column for column in columns if _is_of_codes(column)]
    if coded:
        found = sorted({code.upper() for column in coded for code in column.counts})
        where = f"in column {' and '.join(column.name for column in coded)}"
        return _decided([(code, (code,)) for code in found], where)
    signs = {column.name: {*map(sign_of, column.counts)} - {""} for column in amounts}
    if not any(signs.values()):
        return Currency(None, f"not known: no column has its code, and no amount a sign; {_ONE}")
    found = sorted(set().union(*signs.values()))
    meanings = [(sign, _MEANINGS.get(sign, (sign.upper(),))) for sign in found]
    names = ", ".join(name for name, some in signs.items() if some)
    return _decided(meanings, f"at the amounts of {names}")


def sign_of(text: str) -> str:
    """The longest sign or code at an end of a number, in lower case; "" if there is none."""
    bare = text.strip().strip("-()").strip().casefold()
    signs = (sign.casefold() for sign in SIGNS)
    return max((s for s in signs if bare.startswith(s) or bare.endswith(s)), key=len, default="")


def _decided(found: Sequence[tuple[str, tuple[str, ...]]], where: str) -> Currency:
    """The currency of signs with their meanings: one that all have in common."""
    common = [c for c in found[0][1] if all(c in meanings for _, meanings in found)]
    if not common:
        several = ", ".join(sign for sign, _ in found)
        return Currency(None, f"not known: there are several {where} ({several}), and {_ONE}")
    signs = [sign for sign, _ in found]
    if len(common) == 1:
        return Currency(common[0], None)
    if _LIKELY.isdisjoint(signs):
        return Currency(None, f"not known: {' or '.join(common)}, by the sign {where}")
    return Currency(common[0], f"by the sign {where}; it may be {' or '.join(common[1:])}")


def _is_of_codes(column: ColumnProfile) -> bool:
    return bool(column.counts) and all(text.upper() in CODES for text in column.counts)
