"""Documents of a contract, for those who send its claims and read the alerts."""

import json
from collections.abc import Iterator
from pathlib import Path

from schemas.asyncapi import asyncapi
from schemas.avro import alert_avro, claim_avro
from schemas.claim_form import ClaimForm, form_of
from schemas.cli.named import named
from schemas.contract.errors import ContractError
from schemas.contract.model import Contract
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.refusal import RefusedError
from schemas.documents import (
    alert_schema,
    claim_schema,
    dead_letter_schema,
    decoded_schema,
    outcome_schema,
)
from schemas.openapi import openapi


def export(contract_file: Path, output: Path) -> list[str]:
    """Write the documents into a folder; lines about what was written, and what was not and why.

    Raises:
        ContractError: the contract breaks a rule.
        OSError: the folder cannot be written.
    """
    contract = named(contract_file)
    form, found = documents(contract, contract_file.name)
    output.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, content in found.items():
        (output / name).write_bytes(content)
        lines.append(f"wrote {output / name}")
    why = form.without_avro()
    if why is not None:
        lines.append(f"no claim.avsc: {why}")
    return lines


def documents(contract: Contract, file: str) -> tuple[ClaimForm, dict[str, bytes]]:
    """The form of a contract's claims, and its documents by their names.

    Raises:
        ContractError: there is no type for its claims, an example is not a valid claim, or there is
            no text for a document.
    """
    try:
        decoder = ClaimDecoder(contract)
        _check_examples(decoder, file)
        form = form_of(decoder)
        texts = {n: json.dumps(d, indent=2, ensure_ascii=False) for n, d in _documents(form)}
        return form, {name: f"{text}\n".encode() for name, text in texts.items()}
    except (TypeError, ValueError, OverflowError) as error:
        what = f"no decoder and documents can be made of it: {error}"
        raise ContractError(file, "$", what, "Correct what this is about.") from error


def _check_examples(decoder: ClaimDecoder, file: str) -> None:
    """Every document shows the examples to those who send claims."""
    for number, example in enumerate(decoder.contract.examples):
        root = f"$.examples[{number}]"
        try:
            _, unknown = decoder.read(json.dumps(example).encode(), root)
        except RefusedError as refused:
            what = f"not a valid claim of this contract: {refused}"
            raise ContractError(file, refused.path, what, "Correct the example.") from None
        if unknown:
            what = "not a field of this contract"
            raise ContractError(file, f"{root}.{unknown[0]}", what, "Correct the example.")


def _documents(form: ClaimForm) -> Iterator[tuple[str, object]]:
    yield "claim.json", claim_schema(form)
    yield "claim-decoded.json", decoded_schema(form)
    if form.examples:
        yield "claim-example.json", form.examples[0]
    yield "fraud-alert.json", alert_schema()
    yield "dead-letter.json", dead_letter_schema()
    yield "fraud-outcome.json", outcome_schema()
    yield "asyncapi.json", asyncapi(form)
    yield "openapi.json", openapi(form)
    yield "fraud-alert.avsc", alert_avro()
    if form.without_avro() is None:
        yield "claim.avsc", claim_avro(form.sent)
