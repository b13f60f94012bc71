"""Events as they are sent: their nested type, and what each slot of a claim holds in them."""

import re
from collections.abc import Callable, Sequence
from operator import attrgetter, itemgetter
from typing import Annotated, Any

import msgspec
from msgspec import Struct

from schemas.contract.model import Contract, Field, MemberPath
from schemas.contract.places import places_of
from schemas.decoding.structs import annotations, bounds, described, value_type
from schemas.reading.dates import NAMED
from schemas.reading.declared import Reading
from schemas.reading.value import PLAIN

Branch = dict[str, "Branch | MemberPath"]
"""Members of an object: objects, or the paths of values."""
ANY: Any = str | int | float | bool
Flatten = Callable[[Any], Sequence[Any]]


def wire_type(contract: Contract, *, strict: bool = False) -> type[Struct]:
    """The type of an event: nested as the places are, texts where texts are read.

    Args:
        contract: what the claim is.
        strict: refuse members that the contract does not know.
    """
    own = {"__doc__": contract.description}
    return _struct("Claim", _tree(contract), contract, own, strict=strict)


def _tree(contract: Contract) -> Branch:
    root: Branch = {}
    for field in contract.fields.values():
        for path in places_of(field):
            branch = root
            for name in path[:-1]:
                below = branch.setdefault(name, {})
                assert isinstance(below, dict), "places inside places are refused"
                branch = below
            branch[path[-1]] = path
    return root


def _struct(
    name: str,
    branch: Branch,
    contract: Contract,
    namespace: dict[str, Any] | None = None,
    *,
    strict: bool,
) -> type[Struct]:
    """A Struct whose attributes are numbered: members may be called anything."""
    members, names = [], {}
    for number, (member, below) in enumerate(branch.items()):
        attribute = f"f{number}"
        names[attribute] = member
        if isinstance(below, dict):
            inner = f"{name}_{_plain(member, number)}"
            kind: Any = _struct(inner, below, contract, strict=strict)
            required = any(_is_required(path, contract) for path in _paths(below))
        else:
            kind, required = _leaf(below, contract), _is_required(below, contract)
        members.append((attribute, kind) if required else (attribute, kind | None, None))
    return msgspec.defstruct(
        name,
        members,
        namespace=namespace,
        module=__name__,
        rename=names,
        forbid_unknown_fields=strict,
        frozen=True,
        kw_only=True,
        gc=False,
    )


def _plain(member: str, number: int) -> str:
    """The name of a member as part of a name in documents."""
    plain = re.sub("[^A-Za-z0-9]", "_", member)
    return member if plain == member else f"{plain}_{number}"


def _paths(branch: Branch) -> list[MemberPath]:
    return [
        path
        for below in branch.values()
        for path in (_paths(below) if isinstance(below, dict) else [below])
    ]


def _readers(path: MemberPath, contract: Contract) -> list[Field]:
    return [field for field in contract.fields.values() if path in places_of(field)]


def _is_required(path: MemberPath, contract: Contract) -> bool:
    """True if a required field is read there and nowhere else."""
    return any(field.required and field.places == (path,) for field in _readers(path, contract))


def _leaf(path: MemberPath, contract: Contract) -> Any:
    """What a place may hold: the value itself, or what it is read from."""
    readers = _readers(path, contract)
    if len(readers) > 1 or path not in readers[0].places:
        return ANY
    (field,) = readers
    if field.reading is None and not contract.missing:
        return value_type(field)
    kind = _read_type(field, field.reading or PLAIN)
    return Annotated[kind, annotations(field), described(field)]


def _read_type(field: Field, reading: Reading) -> Any:
    """A text, or JSON's own type for the value where that is another."""
    if field.kind == "number":
        strict = reading.out_of_range == "refuse" and reading.sign == "keep"
        number: Any = Annotated[float, bounds(field)] if strict else float
        return number | str
    if field.kind == "text":
        return str | int | float  # senders write codes as numbers, of any number of digits
    found = bool | str if field.kind == "flag" else str
    numbered = any(form in NAMED for form in reading.forms) or any(
        word.strip().lstrip("-").isdigit() for word in (*reading.table, *reading.true)
    )
    return found | float if numbered else found


def flattener(contract: Contract, paths: Sequence[MemberPath]) -> Flatten:
    """A function from an event to what each of these places holds; None if nothing."""
    order: list[MemberPath] = []
    flatten = _flattener((), _tree(contract), order)
    if len(order) == 1:
        return lambda event: [*flatten(event)]
    places = itemgetter(*(order.index(path) for path in paths))
    return lambda event: places(flatten(event))


def _flattener(
    at: MemberPath, branch: Branch, order: list[MemberPath]
) -> Callable[[Any], list[Any]]:
    """A function from an object to the values in it and below; appends their paths to `order`."""
    values = [(f"f{n}", name) for n, (name, below) in enumerate(branch.items()) if _is_leaf(below)]
    order += [(*at, name) for _, name in values]
    take = _getter([attribute for attribute, _ in values])
    inner = []
    for number, (name, below) in enumerate(branch.items()):
        if isinstance(below, dict):
            before = len(order)
            flatten = _flattener((*at, name), below, order)
            inner.append((attrgetter(f"f{number}"), flatten, [None] * (len(order) - before)))

    def flatten_object(found: Any) -> list[Any]:
        flat = [*take(found)]
        for part, flatten, nothing in inner:
            below = part(found)
            flat += nothing if below is None else flatten(below)
        return flat

    return flatten_object


def _is_leaf(below: "Branch | MemberPath") -> bool:
    return not isinstance(below, dict)


def _getter(attributes: Sequence[str]) -> Callable[[Any], Sequence[Any]]:
    """A function that takes these attributes of an object, all at once."""
    if len(attributes) > 1:
        return attrgetter(*attributes)
    if attributes:
        (only,) = attributes
        return lambda found: (getattr(found, only),)
    return lambda found: ()
