"""Whether claims that were read through one contract are those that a model scores."""

from collections.abc import Sequence

from schemas.contract.model import Contract
from schemas.printable import listed


def called(contract: Contract) -> str:
    """Name and version of a contract."""
    return f"{contract.about.name} {contract.about.version}"


def other_claims(of_model: Contract, read: Contract) -> str | None:
    """Why a model cannot score claims that were read through a contract; None if it can.

    It can if the contract has the same name and every field, of the same kind and unit. The same
    fields under another name do not suffice: what they mean is what a contract is about.

    Args:
        of_model: the model's contract, without the fields of its history.
        read: that of the claims.
    """
    both = f"it scores claims of contract {called(of_model)}, and these are read through contract "
    if of_model.about.name != read.about.name:
        return f"{both}{called(read)}"
    apart = [name for name in of_model.fields if _meaning(of_model, name) != _meaning(read, name)]
    if apart:
        return f"{both}{called(read)}, which has no {listed(apart)}, or means something else by it"
    if of_model.about.currency != read.about.currency:
        return f"{both}{called(read)}, whose amounts are in another currency"
    return None


def shared(contracts: Sequence[Contract]) -> Contract | None:
    """One of some models' contracts that claims of all these models can be read through, if any."""
    for one in contracts:
        if all(other_claims(other, one) is None for other in contracts):
            return one
    return None


def _meaning(contract: Contract, name: str) -> tuple[str, str | None] | None:
    field = contract.fields.get(name)
    return None if field is None else (field.kind, field.said.unit)
