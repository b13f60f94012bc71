"""Saves a model of a former artifact format in the present one, without training it again."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from model.artifact.former import read_former
from model.artifact.manifest import FORMAT_VERSION, FORMER_VERSION, WITHOUT_CONTRACT, Manifest
from model.artifact.store import (
    ArtifactError,
    Contents,
    Verify,
    anything,
    described,
    format_of,
    pickled,
    save,
    unpickled,
    verified,
)
from model.compiled.fitted import difference, plain_pipeline
from model.compiled.plain import encoded
from model.releases.placing import place
from model.releases.signing import SIGNATURE_FILE, sign, signed_by
from model.scoring.load import PRESENT, Format, golden_codes, load
from schemas.contract.model import Contract

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FORMER: Final = {
    FORMER_VERSION: Format(FORMER_VERSION, read_former),
    WITHOUT_CONTRACT: Format(WITHOUT_CONTRACT, unpickled),
}
Documents = Callable[[Path, Manifest, Contract], Mapping[str, bytes]]
"""Returns a migrated artifact's files for people, from the former folder and the manifest."""


def migrate(
    folder: Path, output: Path, documents: Documents, key: "Ed25519PrivateKey | None" = None
) -> Path | None:
    """Write a model of the former format to another folder.

    The model must score its golden examples as it did where it was trained, and both new files,
    pickle and plain data, must score exactly as the old one. A model of the present format that
    lacks plain data gets it.

    Args:
        folder: the artifact; it is left as it is.
        output: folder of the new artifact; one that exists is replaced, unless it is or was in
            service.
        documents: returns the files for people.
        key: signs the new artifact; a signature of the former one must be valid under it.

    Returns:
        The signature written, if any.

    Raises:
        ArtifactError: it cannot be used, needs no migration, or `output` is not suitable.
    """
    if output.resolve() == folder.resolve():
        raise ArtifactError(f"{output} is the model itself: choose another folder, and keep it")
    if place(output).in_service:
        raise ArtifactError(
            f"{output} is the model in service: save the new one in another folder, then promote it"
        )
    form = _form(folder)
    scorer = load(folder, verify=_signature(folder, key), form=form, remembers=True)
    old = verified(folder.resolve(), scorer.manifest)
    pipeline = form.unpickle(old.model)
    encoder = pipeline["encode"]
    encoder.categorical = tuple(encoder.vocabularies_)  # which a former encoder found by itself
    plain, codes = plain_pipeline(pipeline), golden_codes(scorer)
    contents = Contents(pickled(pipeline), old.reference, old.contract, encoded(plain))
    again = unpickled(contents.model)["classify"]
    scores = [one.predict_proba(codes) for one in (pipeline["classify"], again)]
    if scores[0].tobytes() != scores[1].tobytes() or difference(plain.compiled(), again, codes):
        raise ArtifactError(f"{folder} scores differently once it is saved again: retrain it")
    digests = contents.digests()
    manifest = msgspec.structs.replace(
        scorer.manifest,
        sha256=digests.model,
        reference_sha256=digests.reference,
        contract_sha256=digests.contract,
        plain_sha256=digests.plain,
        contract=scorer.contract.about,
        format_version=FORMAT_VERSION,
    )
    save(output, contents, manifest, documents(folder, manifest, scorer.contract))
    return None if key is None else sign(output, key)


def _form(folder: Path) -> Format:
    version = format_of(folder)
    if version == FORMAT_VERSION and described(folder)[1].plain_sha256 is None:
        return PRESENT
    return FORMER.get(version, FORMER[FORMER_VERSION])


def _signature(folder: Path, key: "Ed25519PrivateKey | None") -> Verify:
    if key is None or not (folder / SIGNATURE_FILE).exists():
        return anything
    return signed_by(key.public_key())
