"""The annotation ``x-read`` of a field: how the texts that stand for its values are written."""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

Word = Annotated[str, Meta(max_length=200)]
Words = Annotated[tuple[Word, ...], Meta(max_length=1_000)]
MAX_TABLE: Final = 10_000


class WeekDate(Struct, frozen=True, forbid_unknown_fields=True):
    """A day known by its month, week of the month and weekday, each in a place of its own.

    Days 1-7 are week 1, 8-14 week 2 and so on; where week 5 has no such weekday, the last one of
    the month is meant.
    """

    month: Word
    week: Word
    weekday: Word
    year: Word | None = None
    """Without it, the first year in which the month is not before that of `not_before`."""
    not_before: Word | None = None
    """A field of the claim: days before it are moved by whole weeks, to the first that is not."""


class Reading(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a field is read. Words are compared without case, outer blanks and repeated blanks."""

    date: Words | Word = ()
    """Forms, tried in order: such as ``%d/%m/%Y``, or a name of `schemas.reading.dates.NAMED`."""
    months: Annotated[tuple[Word, ...], Meta(min_length=12, max_length=12)] | None = None
    """Names of the months, for ``%b`` and ``%B``; English without it."""
    week_date: WeekDate | None = None
    thousands: Annotated[str, Meta(max_length=4)] = ""
    """Marks that may part groups of digits, one character each."""
    decimal: Annotated[str, Meta(min_length=1, max_length=1)] = "."
    currency: Words = ()
    """Signs and words that may stand before or after a number."""
    sign: Literal["keep", "drop"] = "keep"
    out_of_range: Literal["refuse", "missing"] = "refuse"
    """What a value outside the field's bounds is."""
    true: Words = ()
    false: Words = ()
    missing: Words = ()
    """Words that stand for no value; a blank text always does."""
    missing_when: Annotated[dict[Word, Words], Meta(max_length=20)] = {}
    """Texts of other places with which this field has no value, by place."""
    table: Annotated[dict[Word, Any], Meta(max_length=MAX_TABLE)] = {}
    """Values by the text that stands for them: of the field's kind, or null."""
    otherwise: Literal["refuse", "keep", "missing"] = "refuse"
    """What a text is that the table does not have; *keep* reads it as if there were no table."""
    case: Literal["keep", "lower", "upper"] = "keep"

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms of dates."""
        return (self.date,) if isinstance(self.date, str) else self.date
