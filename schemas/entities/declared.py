"""The annotation ``x-entity`` of a field: what it names, and how names are compared."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

KIND_FORM: Final = "^[a-z][a-z0-9_]{0,29}\\Z"
MAX_STOPS: Final = 1_000

Kindred = Literal["person", "business"]
"""A person-like entity belongs to few policies, a business-like one to many."""
NameForm = Literal["text", "code", "phone", "email"]
"""How names of an entity are written; see `schemas.entities.normal`."""
StopWord = Annotated[str, Meta(min_length=1, max_length=200)]


class Entity(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A person or a thing that a field names, which the history of claims is remembered by.

    Fields of one claim may name entities of the same kind, such as two telephones; what is
    remembered of one is then found through the other.
    """

    kind: Annotated[str, Meta(pattern=KIND_FORM)]
    """What it is: `phone`, `garage`. The contract chooses it; part of the names of features."""
    like: Kindred = "person"
    form: NameForm = "text"
    country: Annotated[str, Meta(pattern="^[1-9][0-9]{0,2}\\Z")] | None = None
    """Calling code of telephone numbers that are written without one."""
    stop: Annotated[tuple[StopWord, ...], Meta(max_length=MAX_STOPS)] = ()
    """Texts that name nobody: placeholders, the insurer's own telephone."""

    def agrees(self, other: "Entity") -> bool:
        """True if the same text names the same entity under both; their stop texts may differ."""
        return (self.kind, self.like, self.form, self.country) == (
            other.kind,
            other.like,
            other.form,
            other.country,
        )
