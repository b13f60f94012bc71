"""Artifacts of before models were plain data as well."""

import json
from pathlib import Path

from model.artifact.store import MANIFEST_FILE, PLAIN_FILE


def without_plain(folder: Path) -> Path:
    """The artifact made one of those: it has only the pickle."""
    (folder / PLAIN_FILE).unlink()
    written = json.loads((folder / MANIFEST_FILE).read_bytes())
    del written["plain_sha256"]
    (folder / MANIFEST_FILE).write_text(json.dumps(written, indent=2))
    return folder
