"""The checked-in documents, and the two judges of a value: JSON Schema and the decoder."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import msgspec
from jsonschema import Draft202012Validator

from schemas import examples
from schemas.alert import FraudAlert
from schemas.claim import Claim
from schemas.dead_letter import DeadLetter
from schemas.export import FOLDER
from schemas.outcome import FraudOutcome

Document = dict[str, Any]


class Contract(NamedTuple):
    """A document, what decodes values of it, and examples."""

    file: str
    decode: Callable[[Document], object]
    examples: tuple[Document, ...]

    def document(self) -> Document:
        return read(self.file)

    def schema_accepts(self, value: Document) -> bool:
        return validator(self.file).is_valid(value)

    def decoder_accepts(self, value: Document) -> bool:
        try:
            self.decode(value)
        except (ValueError, KeyError):
            return False
        return True


def _json(kind: type) -> Callable[[Document], object]:
    decoder: msgspec.json.Decoder[object] = msgspec.json.Decoder(kind)
    return lambda value: decoder.decode(json.dumps(value))


def _headers(value: Document) -> object:
    return DeadLetter.from_headers(value.items())


CLAIM = Contract("claim.json", _json(Claim), examples.CLAIMS)
ALERT = Contract("fraud-alert.json", _json(FraudAlert), examples.ALERTS)
DEAD_LETTER = Contract("dead-letter.json", _headers, examples.DEAD_LETTERS)
OUTCOME = Contract("fraud-outcome.json", _json(FraudOutcome), examples.OUTCOMES)

CONTRACTS = (CLAIM, ALERT, DEAD_LETTER, OUTCOME)


def read(name: str) -> Document:
    """A checked-in document."""
    document: Document = json.loads((FOLDER / name).read_bytes())
    return document


@cache
def validator(name: str) -> Draft202012Validator:
    """A validator of a checked-in document that checks formats too."""
    return Draft202012Validator(read(name), format_checker=Draft202012Validator.FORMAT_CHECKER)
