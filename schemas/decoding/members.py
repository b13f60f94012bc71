"""Members of an event in JSON. What is in the others is not looked at, and may be anything."""

from typing import Final

import msgspec

from schemas.contract.model import MemberPath

Members = dict[str, msgspec.Raw]

_members: Final = msgspec.json.Decoder(Members | None)


def members_of(value: msgspec.Raw) -> Members:
    """The members of an object or null.

    Raises:
        msgspec.DecodeError: it is neither.
    """
    try:
        return _members.decode(value) or {}
    except UnicodeDecodeError:  # of a name; a typed decoder only compares names
        return _members.decode(bytes(value).decode(errors="replace")) or {}


def member_at(value: msgspec.Raw, path: MemberPath) -> msgspec.Raw | None:
    """What an event holds in a place, null included; None if nothing."""
    for name in path:
        if not _is_object(value) or (found := members_of(value).get(name)) is None:
            return None
        value = found
    return value


def without(value: msgspec.Raw, path: MemberPath) -> bytes:
    """An event without what it holds in a place, which must be there."""
    members = members_of(value)
    if len(path) > 1:
        members[path[0]] = msgspec.Raw(without(members[path[0]], path[1:]))
    else:
        del members[path[0]]
    return msgspec.json.encode(members)


def _is_object(value: msgspec.Raw) -> bool:
    return bytes(value).lstrip()[:1] == b"{"
