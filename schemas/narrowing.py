"""What a contract refuses, drops or reads in another way that another contract takes."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from schemas.claim_form import form_of
from schemas.compatibility import breaking
from schemas.contract.model import Contract, Field
from schemas.contract.places import json_path
from schemas.decoding.decoder import ClaimDecoder
from schemas.documents import claim_schema, decoded_schema
from schemas.reading.declared import Reading
from schemas.reading.value import PLAIN

_MORE_WORDS: Final = ("true", "false", "missing", "currency", "thousands")
"""Parts of ``x-read`` to which something may be added without refusing what was taken."""
_FIXED: Final = ("months", "week_date", "decimal", "sign", "out_of_range", "missing_when", "case")
"""Parts that mean other values, or refusals, whatever they are changed to."""
_UNSAID: Final = Reading(date=PLAIN.date)
"""How a field without ``x-read`` is read."""


def narrowing(present: Contract, new: Contract) -> tuple[str, ...]:
    """Differences because of which claims that the present contract takes may be refused by the
    new one, or read as something else; () if there are none. Each is one line of text.

    New optional fields, wider bounds, further places, forms and words are not among them.
    """
    found = [*_identity(present, new), *_events(present, new), *_fields(present, new)]
    before, after = ClaimDecoder(present), ClaimDecoder(new)
    decoded = [decoded_schema(form_of(decoder)) for decoder in (before, after)]
    found += [text.removeprefix("$.") for text in breaking(*decoded, written=False)]
    if not found:
        sent = [claim_schema(form_of(decoder)) for decoder in (before, after)]
        found += [f"as sent, {text}" for text in breaking(*sent, written=False)]
    return tuple(dict.fromkeys(found))


def _identity(present: Contract, new: Contract) -> Iterator[str]:
    for name in ("name", "version", "line_of_business"):
        was, now = getattr(present.about, name), getattr(new.about, name)
        if was != now:
            yield f"x-contract: {name} is {now}, was {was}"
    gone = set(present.missing) - set(new.missing)
    if gone:
        yield f"x-missing: without {_listed(sorted(gone))}"


def _events(present: Contract, new: Contract) -> Iterator[str]:
    for name, was in msgspec.structs.asdict(present.event).items():
        now = getattr(new.event, name)
        if was is not None and was != now:
            yield f"x-event: {name} is {now or 'not stated'}, was {was}"


def _fields(present: Contract, new: Contract) -> Iterator[str]:
    for name, field in present.fields.items():
        if name in new.fields:
            yield from (f"{name}: {text}" for text in _places(field, new.fields[name]))
            yield from (f"{name}: {text}" for text in _readings(field, new.fields[name]))


def _places(was: Field, now: Field) -> Iterator[str]:
    gone = [path for path in was.places if path not in now.places]
    if gone:
        yield f"x-from without {_listed(map(json_path, gone))}"
    kept = [path for path in now.places if path in was.places]
    if kept != [path for path in was.places if path in kept]:
        yield f"x-from prefers {json_path(kept[0])}"


def _readings(was: Field, now: Field) -> Iterator[str]:
    if was.reading == now.reading:
        return
    if now.reading is None:
        yield "x-read: removed"
        return
    before, after = _spelt_out(was.reading), _spelt_out(now.reading)
    if was.kind == "date" and before.forms != after.forms[: len(before.forms)]:
        yield f"x-read: dates as {_listed(after.forms)}, were {_listed(before.forms)}"
    for name in _MORE_WORDS:
        gone = [word for word in getattr(before, name) if word not in getattr(after, name)]
        if gone:
            yield f"x-read: {name} without {_listed(gone)}"
    yield from _tables(before, after)
    for name in _FIXED:
        if getattr(before, name) != getattr(after, name):
            yield f"x-read: {name} is {_shown(after, name)}, was {_shown(before, name)}"


def _spelt_out(reading: Reading | None) -> Reading:
    """The same with the words and forms that stand for none."""
    if reading is None:
        return _UNSAID
    return msgspec.structs.replace(
        reading,
        date=reading.forms or PLAIN.forms,
        true=reading.true or PLAIN.true,
        false=reading.false or PLAIN.false,
    )


def _tables(before: Reading, after: Reading) -> Iterator[str]:
    changed = [word for word, value in before.table.items() if after.table.get(word) != value]
    if changed:
        yield f"x-read: table without, or with another value for, {_listed(changed)}"
    if before.table and before.otherwise not in ("refuse", after.otherwise):
        yield f"x-read: otherwise is {after.otherwise}, was {before.otherwise}"
    if after.table and not before.table and after.otherwise != "keep":
        yield "x-read: only the words of a table"


def _shown(reading: Reading, part: str) -> str:
    return msgspec.json.encode(getattr(reading, part)).decode()


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words) or "nothing"
