"""Contracts by what a command line says: a file, or the name of one that comes with the product."""

from pathlib import Path

from schemas.contract.errors import ContractError
from schemas.contract.model import Contract
from schemas.contract.parse import FOLDER, load, shipped


def names() -> list[str]:
    """Of the contracts that come with the product."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def named(said: Path) -> Contract:
    """The contract in a file, or else the one of that name that comes with the product.

    Raises:
        ContractError: there is neither, or the file is not a valid contract.
    """
    if said.exists() or said.suffix or said.name != str(said):
        return load(said)
    if said.name in names():
        return shipped(said.name)
    fix = f"Name a file, or one of {', '.join(names())}."
    raise ContractError(said.name, "$", "neither a file nor a contract of the product", fix)
