"""Writes models as release 0.1.0 did: format 1, with the names that classes had then."""

import copy
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import msgspec
import pytest

from model.artifact.manifest import Manifest
from model.artifact.store import (
    CONTRACT_FILE,
    MANIFEST_FILE,
    Contents,
    pickled,
    save,
)
from model.families.crosses import CrossEncoder
from model.families.screen import Screen
from model.features.encoder import ClaimEncoder
from model.features.vocabulary import Vocabulary, _Codes
from model.reports.documents import documents
from model.training.train import Trained, package
from tests.model.examples import dataset
from tests.model.test_artifact import NOW

FORMER: Final[dict[str, tuple[type, ...]]] = {
    "model.crosses": (CrossEncoder,),
    "model.features": (ClaimEncoder,),
    "model.screen": (Screen,),
    "model.vocabulary": (Vocabulary, _Codes),
}
"""Classes by the modules they were in."""


def former_pickle(pipeline: Any, more: dict[str, tuple[type, ...]] | None = None) -> bytes:
    """The pipeline as a model file in which classes have their former modules."""
    with pytest.MonkeyPatch.context() as patch:
        for module, classes in (FORMER | (more or {})).items():
            stand_in = ModuleType(module)
            for kind in classes:
                patch.setattr(kind, "__module__", module)
                setattr(stand_in, kind.__name__, kind)
            patch.setitem(sys.modules, module, stand_in)
        return pickled(pipeline)


def former_pipeline(pipeline: Any) -> Any:
    """A copy whose encoder finds out by itself which features are categories."""
    copied = copy.deepcopy(pipeline)
    del copied["encode"].categorical
    return copied


def write_former(folder: Path, trained: Trained, model: bytes | None = None) -> Path:
    """An artifact of format 1, with its documents."""
    contents, manifest = package(trained, created_at=NOW)
    model = model or former_pickle(former_pipeline(trained.pipeline))
    contents = Contents(model, contents.reference, contents.contract)
    digest = contents.digests().model
    manifest = msgspec.structs.replace(manifest, sha256=digest, plain_sha256=None, format_version=1)
    save(folder, contents, manifest, documents(manifest, trained, [trained], dataset()))
    (folder / CONTRACT_FILE).unlink()
    written = json.loads((folder / MANIFEST_FILE).read_bytes())
    del written["contract"], written["contract_sha256"], written["plain_sha256"]
    (folder / MANIFEST_FILE).write_text(json.dumps(written, indent=2))
    return folder


def manifest_of(folder: Path) -> Manifest:
    """The manifest of an artifact in any format."""
    return msgspec.json.decode((folder / MANIFEST_FILE).read_bytes(), type=Manifest)
