"""Roles, entities and the parts of the event, from names and values."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from schemas.claim import Role
from schemas.drafting.codes import NAMING, is_code, names_claims, words_of
from schemas.drafting.columns import ColumnProfile
from schemas.drafting.kinds import Guess

PERSONAL: Final = frozenset(
    {
        *("name", "firstname", "lastname", "surname", "forename", "born", "birth", "birthday"),
        *("dob", "phone", "telephone", "tel", "mobile", "fax", "mail", "email", "street"),
        *("address", "location", "postcode", "zip", "zipcode", "postal", "iban", "account", "ssn"),
        *("passport", "plate", "latitude", "longitude", "occupation", "hobby", "hobbies"),
        *("education", "income", "gains", "losses"),
        *("vorname", "nachname", "geburtsdatum", "geburtstag", "geboren", "telefon", "handy"),
        *("strasse", "anschrift", "adresse", "plz", "wohnort", "kennzeichen", "beruf", "konto"),
        *("nom", "prenom", "naissance", "rue", "courriel", "mobil"),
    }
)
PROTECTED: Final = frozenset(
    {
        *("sex", "gender", "age", "nationality", "citizenship", "marital", "religion"),
        *("ethnicity", "race", "disability", "pregnant", "language", "relationship"),
        *("geschlecht", "alter", "nationalitaet", "familienstand", "sexe", "nationalite"),
    }
)
ENTITIES: Final = {
    "garage": "garage", "workshop": "garage", "repairer": "garage", "provider": "provider",
    "doctor": "provider", "physician": "provider", "hospital": "provider", "clinic": "provider",
    "contractor": "contractor", "agent": "agent", "broker": "agent", "lawyer": "lawyer",
    "attorney": "lawyer", "member": "member", "policy": "policy", "vin": "vehicle",
    "vehicle": "vehicle", "phone": "phone", "iban": "account", "account": "account",
    "telefon": "phone", "konto": "account",
    "email": "email", "mail": "email", "plate": "vehicle", "adjuster": "adjuster",
}  # fmt: skip
BUSINESSES: Final = frozenset({"garage", "provider", "contractor", "agent", "lawyer", "adjuster"})
"""Kinds of which one stands in many claims."""
NAME_FORMS: Final = {
    "phone": "phone", "email": "email", "policy": "code", "member": "code", "account": "code",
    "vehicle": "code",
}  # fmt: skip
"""How names of a kind are compared; those of other kinds are texts."""
THINGS: Final = frozenset(
    {
        *("product", "make", "model", "plan", "brand", "company", "city", "state", "garage"),
        *("workshop", "hospital", "clinic", "vehicle"),
    }
)
"""What has a name and is no person."""
FORMS: Final = {
    "email": re.compile(r"[^@\s]+@[^@\s]+\.\w+"),
    "account": re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?"),
    "phone": re.compile(r"(?:\+|00)[1-9][\d ()/.-]{6,20}\d"),
}
"""Values that lead to a person. Only phones with the code of a country differ from numbers."""
MOSTLY: Final = 0.9
FEW: Final = 20
NARRATIVE: Final = 60
"""Average length from which texts are free text."""


class Part(NamedTuple):
    """Words that a part of the event is known by, that make it likelier, and that rule it out."""

    words: frozenset[str]
    more: frozenset[str] = frozenset()
    not_words: frozenset[str] = frozenset()


TIME: Final = Part(
    frozenset(
        {
            *("report", "reported", "reporting", "notice", "notified", "notification", "fnol"),
            *("submit", "submitted", "submission", "received", "filed", "created", "opened"),
        }
    ),
    not_words=frozenset({"closed", "decided", "birth"}),
)
OCCURRED: Final = Part(
    frozenset(
        {
            *("loss", "lost", "accident", "incident", "occurrence", "occurred", "event"),
            *("service", "damage"),
        }
    )
)
START: Final = Part(
    frozenset({"start", "inception", "effective", "bind", "begin", "since", "from", "issue"}),
    not_words=frozenset({"end", "expiry"}),
)
AMOUNT: Final = Part(
    frozenset({"amount", "estimate", "estimated", "billed", "total", "paid", "cost", "charge"}),
    frozenset({"claim", "claimed", "total"}),
    frozenset({"limit", "deductible", "excess", "premium", "insured", "price", "prior"}),
)
KEY: Final = Part(frozenset({"policy", "member", "contract", "certificate"}))


class RoleGuess(NamedTuple):
    """A role, what the field names, and what is doubtful."""

    role: Role
    entity: str | None = None
    doubts: tuple[str, ...] = ()


def entity_of(kind: str) -> dict[str, str]:
    """What ``x-entity`` says of a kind."""
    like = {"like": "business"} if kind in BUSINESSES else {}
    form = {"form": NAME_FORMS[kind]} if kind in NAME_FORMS else {}
    return {"kind": kind, **like, **form}


def role_of(column: ColumnProfile, guess: Guess) -> RoleGuess:
    """What a column may be used for."""
    words = set(words_of(column.name))
    entity = next((ENTITIES[w] for w in words_of(column.name) if w in ENTITIES), None)
    if words & PERSONAL and not _names_a_thing(words):
        few = ("personal by its name only",) if len(column.counts) <= FEW else ()
        return RoleGuess(Role.PERSONAL, entity if guess.kind == "text" else None, few)
    if (named := _personal_values(column)) is not None:
        return RoleGuess(Role.PERSONAL, named, ("personal by its values",))
    if guess.kind == "date":
        return RoleGuess(Role.TIME)
    if words & PROTECTED and not words & {"policy", "vehicle", "building", "car", "dwelling"}:
        return RoleGuess(Role.PROTECTED)
    if guess.kind in ("flag", "number"):
        return RoleGuess(Role.FEATURE)
    return _of_text(column, words, entity)


def _personal_values(column: ColumnProfile) -> str | None:
    """What nearly all values are the form of, whatever the column is called: an address of mail."""
    for entity, form in FORMS.items():
        fit = sum(n for text, n in column.counts.items() if form.fullmatch(text.strip()))
        if column.present and fit > MOSTLY * column.present:
            return entity
    return None


def _names_a_thing(words: set[str]) -> bool:
    """True of the name of a product, a garage, a make: not of a person."""
    return "name" in words and bool(words & THINGS)


def _of_text(column: ColumnProfile, words: set[str], entity: str | None) -> RoleGuess:
    length = sum(len(text) * n for text, n in column.counts.items()) / max(column.present, 1)
    if length > NARRATIVE:
        return RoleGuess(Role.PERSONAL, doubts=("free text",))
    names_one = "vin" in words or (words & KEY.words and words & NAMING)
    if column.is_unique or names_one or names_claims(words_of(column.name)):
        return RoleGuess(Role.IDENTIFIER, entity)
    if is_code(column) and entity is None:
        return RoleGuess(Role.IDENTIFIER, doubts=("a number that names something",))
    if entity is None and len(column.counts) > 0.5 * column.present > 50:
        return RoleGuess(Role.IDENTIFIER, doubts=("nearly every value is different",))
    return RoleGuess(Role.FEATURE, entity if words & NAMING or len(column.counts) > 30 else None)


def best(part: Part, names: Iterable[str]) -> str | None:
    """The name that has the most words of a part of the event, if one has any."""
    scores = {
        name: len(words & part.words) + len(words & part.more)
        for name in names
        if (words := set(words_of(name))) & part.words and not words & part.not_words
    }
    return max(scores, key=lambda name: scores[name], default=None)
