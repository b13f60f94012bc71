"""Whom a command asks about: from the name of a person or thing to its hash, as claims have it."""

from argparse import ArgumentTypeError
from collections.abc import Sequence
from typing import Final, NamedTuple

from consumer.errors import SettingsError
from consumer.memory.assembly import memory_secret
from consumer.settings.settings import Settings
from model.history.keys import hasher
from model.history.plan import kinds_in
from schemas.contract.model import Contract
from schemas.entities.normal import normaliser
from schemas.memory import Naming

SPELLED: Final = frozenset({"entity", "forget"})
"""Commands in which ``--KIND VALUE`` means ``--entity KIND=VALUE``."""
OWN: Final = frozenset({"claim", "contract", "entity", "help", "json", "outdated", "yes"})
"""Their own options: a kind with one of these names needs ``--entity``."""


class Named(NamedTuple):
    """The name of a person or thing as it was given; never shown."""

    kind: str
    name: str

    def __repr__(self) -> str:
        """Without the name, in case it is shown by accident."""
        return f"Named(kind={self.kind!r})"


def entity(text: str) -> Named:
    """``KIND=VALUE``; the message of the error does not repeat the value."""
    kind, equals, name = text.partition("=")
    if not (kind and equals and name):
        raise ArgumentTypeError("expected KIND=VALUE, such as phone=+442079460123")
    return Named(kind.replace("-", "_"), name)


def spelled_out(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``--KIND VALUE`` of these commands as ``--entity KIND=VALUE``."""
    given = list(arguments)
    if not given or given[0] not in SPELLED:
        return given
    found, rest = given[:1], iter(given[1:])
    for argument in rest:
        option, equals, value = argument.partition("=")
        name = option.removeprefix("--")
        if name == option or not name or name in OWN:
            found.append(argument)
        elif equals:
            found += ["--entity", f"{name}={value}"]
        else:
            found += ["--entity", f"{name}={next(rest, '')}"]
    return found


def hashed(contract: Contract, secret: bytes, named: Named) -> Naming | None:
    """What claims that state this name are remembered by; None if it names nobody.

    Raises:
        SettingsError: the contract has no such kind.
    """
    kinds = [kind.kind for kind in kinds_in(contract)]
    if named.kind not in kinds:
        has = f"it has {', '.join(kinds)}" if kinds else "it has none"
        raise SettingsError(
            f"contract {contract.about.name} names no kind of entity {named.kind!r}: {has}"
        )
    of_kind = [found for found in contract.entities.values() if found.kind == named.kind]
    # Fields of one kind normalise names alike, but may have different stop texts.
    normal = next(filter(None, (normaliser(found)(named.name) for found in of_kind)), None)
    return None if normal is None else Naming(named.kind, hasher(secret, named.kind)(normal))


def secret_of(settings: Settings) -> bytes:
    """The key of the hashes.

    Raises:
        SettingsError: there is none, or it cannot be used.
    """
    if settings.memory_key_file is None:
        raise SettingsError(
            "MEMORY_KEY_FILE is not set: the key that the hashes in MEMORY_TOPIC were made with"
        )
    return memory_secret(settings)
