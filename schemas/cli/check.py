"""Check a contract, and a file of claims against it."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from schemas.cli import entities
from schemas.cli.entities import EntitiesSeen
from schemas.cli.export import documents
from schemas.cli.named import named
from schemas.cli.values import MOST_SHOWN, ValuesSeen
from schemas.contract.model import Contract
from schemas.expressions.nodes import facts_of
from schemas.expressions.single import value_for
from schemas.printable import listed
from schemas.tables.claims import ClaimFile, ReadRow, open_claims


class Findings:
    """What was found in a file."""

    def __init__(self, contract: Contract) -> None:
        self.accepted = 0
        self.refused: Counter[str] = Counter()
        self.first: dict[str, str] = {}
        self.labels: Counter[bool | None] = Counter()
        self.decided = 0
        self.fields = {n: _values(contract, n) for n in contract.fields}
        self.derived = {n: _values(contract, n) for n in contract.derived}
        self.entities = EntitiesSeen(contract)
        self._contract = contract

    def add(self, read: ReadRow) -> None:
        """Count one row."""
        if read.fault is not None:
            what = read.fault._replace(value="")
            self.refused[str(what)] += 1
            self.first.setdefault(str(what), f"line {read.line}: {read.fault}")
            return
        self.accepted += 1
        self.labels[read.label] += 1
        self.decided += read.decided is not None and read.label is not None
        self.entities.add(read.claim)
        facts = {name: getattr(read.claim, name) for name in self.fields}
        for name, values in self.fields.items():
            values.add(facts[name])
        for name, fact in self._contract.derived.items():
            # In their order: a name means the field until a fact of that name is derived.
            facts[name] = value_for(fact.node, facts)
            self.derived[name].add(facts[name])


def _values(contract: Contract, name: str) -> ValuesSeen:
    kind = contract.derived[name].kind if name in contract.derived else contract.fields[name].kind
    return ValuesSeen(kind, withheld=contract.is_withheld(name))


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
        lines += [*entities.lines(contract, None), *_derived(contract, None)]
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
        if contract.label.decided is not None:
            yield f"decided: the day is known of {findings.decided:,} of {fraud + honest:,} labels"
    yield "fields: role, kind, share of the claims that have a value, values"
    for name, values in findings.fields.items():
        share = values.present / findings.accepted if findings.accepted else 0
        start = f"  {name:32} {contract.fields[name].role.value:10} {values.kind:6} {share:6.1%}"
        yield f"{start}  {values.line()}"
    yield from entities.lines(contract, findings.entities)
    yield from _derived(contract, findings)


def _derived(contract: Contract, findings: Findings | None) -> Iterator[str]:
    """A line for each derived fact, so that a wrong formula is seen."""
    if not contract.derived:
        return
    found = "" if findings is None else ", claims without a value, values"
    yield f"derived facts: kind, what it is computed from{found}"
    for name, fact in contract.derived.items():
        used = ", ".join(dict.fromkeys(one.name for one in facts_of(fact.node))) or "nothing"
        line = f"  {name:32} {fact.kind:6} from {used}"
        if findings is not None:
            values = findings.derived[name]
            missing = findings.accepted - values.present
            line += f"; missing in {missing:,} of {findings.accepted:,}; "
            line += values.line(frequent=True)
        yield line
