"""Saves a model of a former artifact format in the present one, without training it again."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from model.artifact.former import FORMER_VERSION, read_former
from model.artifact.manifest import FORMAT_VERSION, WITHOUT_CONTRACT, Manifest
from model.artifact.store import (
    ArtifactError,
    Contents,
    Verify,
    anything,
    format_of,
    pickled,
    refuse_foreign,
    save,
    unpickled,
    verified,
)
from model.features.facts import claim_columns
from model.releases.signing import SIGNATURE_FILE, sign, signed_by
from model.scoring.load import Format, load
from schemas.contract.model import Contract

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FORMER: Final = {
    FORMER_VERSION: Format(FORMER_VERSION, read_former),
    WITHOUT_CONTRACT: Format(WITHOUT_CONTRACT, unpickled),
}
Documents = Callable[[Path, Manifest, Contract], Mapping[str, bytes]]
"""Returns the files for people of a migrated artifact, from the former folder and the manifest."""


def migrate(
    folder: Path, output: Path, documents: Documents, key: "Ed25519PrivateKey | None" = None
) -> Path | None:
    """Write a model of the former format to another folder.

    The model must score its golden examples as it did where it was trained, and the new file
    exactly as the old one.

    Args:
        folder: the artifact; it is left as it is.
        output: folder of the new artifact; one that exists is replaced.
        documents: returns the files for people.
        key: signs the new artifact; a signature of the former one must be valid under it.

    Returns:
        The signature written, if any.

    Raises:
        ArtifactError: it cannot be used, is not of the former format, or `output` is not suitable.
    """
    if output.resolve() == folder.resolve():
        raise ArtifactError(f"{output} is the model itself: choose another folder, and keep it")
    refuse_foreign(output)
    form = FORMER.get(format_of(folder), FORMER[FORMER_VERSION])
    scorer = load(folder, verify=_signature(folder, key), form=form)
    old = verified(folder.resolve(), scorer.manifest)
    encoder = scorer.pipeline["encode"]
    encoder.categorical = tuple(encoder.vocabularies_)  # which a former encoder found by itself
    contents = Contents(pickled(scorer.pipeline), old.reference, old.contract)
    golden = scorer.reference.golden_claims(scorer.contract)
    columns = claim_columns(scorer.contract, golden, scorer.features)
    before = scorer.pipeline.predict_proba(columns)
    after = unpickled(contents.model).predict_proba(columns)
    if before.tobytes() != after.tobytes():
        raise ArtifactError(f"{folder} scores differently once it is saved again: retrain it")
    digests = contents.digests()
    manifest = msgspec.structs.replace(
        scorer.manifest,
        sha256=digests.model,
        reference_sha256=digests.reference,
        contract_sha256=digests.contract,
        contract=scorer.contract.about,
        format_version=FORMAT_VERSION,
    )
    save(output, contents, manifest, documents(folder, manifest, scorer.contract))
    return None if key is None else sign(output, key)


def _signature(folder: Path, key: "Ed25519PrivateKey | None") -> Verify:
    if key is None or not (folder / SIGNATURE_FILE).exists():
        return anything
    return signed_by(key.public_key())
