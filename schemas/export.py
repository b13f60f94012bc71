"""Write the documents generated from the types: ``python -m schemas.export [--check]``."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from schemas.asyncapi import asyncapi
from schemas.avro import alert_avro, claim_avro
from schemas.documents import alert_schema, claim_schema, dead_letter_schema, outcome_schema
from schemas.openapi import openapi
from schemas.streams import Parser, written

FOLDER: Final = Path(__file__).parent / "json"
RELEASED: Final = Path(__file__).parent / "released" / "v1"


def contracts() -> dict[str, bytes]:
    """JSON Schema of each contract by file name: what a release promises."""
    made = {
        "claim.json": claim_schema(),
        "fraud-alert.json": alert_schema(),
        "dead-letter.json": dead_letter_schema(),
        "fraud-outcome.json": outcome_schema(),
    }
    return {name: _text(document) for name, document in made.items()}


def documents() -> dict[str, bytes]:
    """Every generated document by file name."""
    return {
        **contracts(),
        "asyncapi.json": _text(asyncapi()),
        "openapi.json": _text(openapi()),
        "claim.avsc": _text(claim_avro()),
        "fraud-alert.avsc": _text(alert_avro()),
    }


def _text(document: object) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def stale(folder: Path, wanted: dict[str, bytes]) -> list[str]:
    """Names of files in the folder that are missing, different or not generated any more."""
    present = {path.name: path for path in folder.glob("*.*") if path.is_file()}
    return sorted(
        name
        for name in wanted.keys() | present.keys()
        if name not in present or not _holds(present[name], wanted.get(name))
    )


def _holds(path: Path, content: bytes | None) -> bool:
    """True if that is the file's content; one of another size, which may be any, is not read."""
    same_size = content is not None and path.stat().st_size == len(content)
    return same_size and path.read_bytes() == content


def write(folder: Path, wanted: dict[str, bytes]) -> list[str]:
    """Make the folder hold just these files; returns the names of those that changed."""
    changed = stale(folder, wanted)
    folder.mkdir(parents=True, exist_ok=True)
    for name in changed:
        if name in wanted:
            (folder / name).write_bytes(wanted[name])
        else:
            (folder / name).unlink()
    return changed


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0, or 1 when ``--check`` finds a stale document or the output cannot be written."""
    return written(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    parser = Parser(prog="python -m schemas.export")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--check", action="store_true", help="change nothing, fail when stale")
    parser.add_argument(
        "--release", action="store_true", help="promise the contracts as they are (released/v1)"
    )
    options = parser.parse_args(arguments)
    if options.check:
        names = stale(options.folder, documents())
        for name in names:
            sys.stderr.write(f"stale: {options.folder / name}; run python -m schemas.export\n")
        return 1 if names else 0
    try:
        changed = write(options.folder, documents())
        if options.release:
            write(RELEASED, contracts())
    except OSError as error:
        sys.stderr.write(f"error: the documents could not be written: {error}\n")
        return 1
    for name in changed:
        sys.stdout.write(f"wrote {options.folder / name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
