"""The words of a file's bands, for claims of another contract that the file is read to."""

from typing import Any

from schemas.contract.model import Contract
from schemas.contract.parse import parse


def in_words_of(contract: Contract, file: Contract) -> Contract:
    """The contract, with the bands and texts of another that is read to the same fields.

    A claim then holds 3.5 where the file said "3 to 4", and a reason says "3 to 4" again.
    """
    properties = dict(contract.tree["properties"])
    for name, field in file.fields.items():
        table = field.reading.table if field.reading is not None else {}
        words = {w: v for w, v in table.items() if field.kind == "number" and v is not None}
        more: dict[str, Any] = {"x-words": words} if words else {}
        if "x-text" in file.tree["properties"][name]:
            more["x-text"] = file.tree["properties"][name]["x-text"]
        properties[name] = {**properties[name], **more}
    return parse({**contract.tree, "properties": properties}, contract.about.name)
