"""Check a contract, and a file of claims against it."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from schemas.claim import WITHHELD
from schemas.cli.export import documents
from schemas.cli.named import named
from schemas.contract.model import Contract, Field
from schemas.printable import listed, printable
from schemas.tables.claims import ClaimFile, ReadRow, open_claims

MOST_DIFFERENT: Final = 1_000
MOST_SHOWN: Final = 12


class Facts:
    """What the values of one field are like; memory is bounded."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.present = 0
        self._least: Any = None
        self._most: Any = None
        self._different: Counter[Any] = Counter()

    def add(self, value: Any) -> None:
        """Count one value; None is missing."""
        if value is None:
            return
        self.present += 1
        if self._least is None or value < self._least:
            self._least = value
        if self._most is None or value > self._most:
            self._most = value
        if value in self._different or len(self._different) < MOST_DIFFERENT:
            self._different[value] += 1

    def line(self, total: int) -> str:
        """One line about the field, of so many claims in all."""
        share = self.present / total if total else 0
        start = (
            f"  {self.field.name:32} {self.field.role.value:10} {self.field.kind:6} {share:6.1%}"
        )
        return f"{start}  {self._values()}".rstrip()

    def _values(self) -> str:
        if not self.present:
            return "no value"
        number = len(self._different)
        several = f"{number:,}{' or more' if number == MOST_DIFFERENT else ''} different"
        if self.field.role in WITHHELD or (self.field.kind == "text" and number > MOST_SHOWN):
            return several
        if self.field.kind in ("text", "flag"):
            return ", ".join(
                f"{printable(str(value))} {n:,}" for value, n in self._different.most_common()
            )
        if self.field.kind == "number":
            return f"{self._least:g} to {self._most:g}, {several}"
        return f"{self._least} to {self._most}, {several}"


class Findings:
    """What was found in a file."""

    def __init__(self, contract: Contract) -> None:
        self.accepted = 0
        self.refused: Counter[str] = Counter()
        self.first: dict[str, str] = {}
        self.labels: Counter[bool | None] = Counter()
        self.facts = [Facts(field) for field in contract.fields.values()]

    def add(self, read: ReadRow) -> None:
        """Count one row."""
        if read.fault is not None:
            what = read.fault._replace(value="")
            self.refused[str(what)] += 1
            self.first.setdefault(str(what), f"line {read.line}: {read.fault}")
            return
        self.accepted += 1
        self.labels[read.label] += 1
        for facts in self.facts:
            facts.add(getattr(read.claim, facts.field.name))


def check(contract_file: Path, data: Path | None) -> tuple[list[str], bool]:
    """Lines about a contract and a file, and whether every row is accepted.

    Raises:
        ContractError: the contract breaks a rule, an example in it is not a valid claim, or no
            documents can be made of it.
        TableError: the file cannot be read, or lacks a column.
    """
    contract = named(contract_file)
    documents(contract, contract_file.name)
    fields, facts = len(contract.fields), len(contract.derived)
    lines = [f"{contract_file.name}: {fields} fields, {facts} derived facts"]
    if data is None:
        return lines, True
    with open_claims(data, contract) as file:
        findings = Findings(contract)
        for read in file.rows:
            findings.add(read)
        lines += _lines(file, contract, findings)
    return lines, not findings.refused


def _lines(file: ClaimFile, contract: Contract, findings: Findings) -> Iterator[str]:
    refused = findings.refused.total()
    notes = f" ({', '.join(file.notes)})" if file.notes else ""
    yield f"{file.name}: {findings.accepted:,} rows accepted, {refused:,} refused{notes}"
    for what, count in islice(findings.refused.most_common(), MOST_SHOWN):
        yield f"  refused {count:,}: {what}; the first is {findings.first[what]}"
    if len(findings.refused) > MOST_SHOWN:
        yield f"  and {len(findings.refused) - MOST_SHOWN} other reasons"
    if file.columns is not None:
        if file.columns.unused:
            yield f"columns not in the contract: {listed(file.columns.unused)}"
        if file.columns.absent:
            yield f"fields without a column: {', '.join(file.columns.absent)}"
    if contract.label is not None:
        fraud, honest, unknown = (findings.labels[label] for label in (True, False, None))
        yield f"label: {fraud:,} fraud, {honest:,} honest, {unknown:,} unlabelled"
    yield "fields: role, kind, share of the claims that have a value, values"
    yield from (facts.line(findings.accepted) for facts in findings.facts)
