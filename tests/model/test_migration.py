"""Models of release 0.1.0 are saved again, not trained again."""

import hashlib
import io
import os
import pickle
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pytest

from model.__main__ import main
from model.artifact.former import RENAMED, UNCHANGED, ForeignError, read_former
from model.artifact.manifest import FORMAT_VERSION, SplitPlan
from model.artifact.store import (
    CONTRACT_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    PLAIN_FILE,
    REFERENCE_FILE,
    ArtifactError,
    pickled,
    unpickled,
)
from model.families.estimators import ALGORITHMS
from model.releases.migration import migrate
from model.releases.signing import SIGNATURE_FILE, private_key, public_key, sign, signed_by
from model.releases.versions import promote
from model.scoring.load import load
from model.training.train import Trained, train, write
from tests.harness.audit import before
from tests.model.examples import dataset, linear
from tests.model.former import former_pickle, manifest_of, write_former
from tests.model.pickled import without_plain
from tests.model.test_artifact import NOW
from tests.model.test_signing import Keys, make_keys

pytestmark = pytest.mark.slow

DATA = dataset()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("keys"))


def former(folder: Path) -> Path:
    return write_former(folder / "former", linear())


def without_documents(*_: object) -> dict[str, bytes]:
    return {}


def trained(algorithm: str) -> Trained:
    return train(DATA, algorithm, SplitPlan(kind="random"))


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_migrated_model_scores_the_same_to_the_last_bit(
    algorithm: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = trained(algorithm)
    folder = write_former(tmp_path / "former", model)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ArtifactError, match=r"artifact format 1.*python -m model migrate --model"):
        load(folder)
    output = tmp_path / "new"
    assert main(["migrate", "--model", str(folder), "--output", str(output)]) == 0
    assert f"saved {output}" in capsys.readouterr().out
    write(model, tmp_path / "fresh", created_at=NOW)
    fresh, found = load(tmp_path / "fresh"), load(output)
    assert found.score(DATA.claims).tobytes() == fresh.score(DATA.claims).tobytes()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    new, old = manifest_of(output), manifest_of(folder)
    assert new.format_version == FORMAT_VERSION
    assert new.sha256 == hashlib.sha256((output / MODEL_FILE).read_bytes()).hexdigest()
    changed = {"sha256", "contract_sha256", "plain_sha256", "format_version"}
    assert changed == {n for n in new.__struct_fields__ if getattr(new, n) != getattr(old, n)}
    assert {p.name for p in output.iterdir()} == {*before, CONTRACT_FILE, PLAIN_FILE}
    for name in (REFERENCE_FILE, "evaluation.json", "report.html"):
        assert (output / name).read_bytes() == before[name]
    assert main(["card", str(output)]) == 0
    assert capsys.readouterr().out == (output / "card.md").read_text()
    assert new.sha256 in (output / "card.md").read_text()


@pytest.mark.slow
def test_the_table_names_what_models_consist_of() -> None:
    """Every name in it is needed by one of the families: none is allowed beyond that."""
    asked = set()
    models = [pickled(trained(algorithm).pipeline) for algorithm in ALGORITHMS]
    with before("pickle.find_class", lambda module, name: asked.add((module, name))):
        for model in models:
            unpickled(model)
    present = {(place, name) for (_, name), place in RENAMED.items()}
    assert asked == present | UNCHANGED | {("joblib.numpy_pickle", "NumpyArrayWrapper")}


class Bomb:
    """Leaves a trace when unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


def test_nothing_else_is_looked_up(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    model = linear()
    bomb = former_pickle([model.pipeline, Bomb(trace)])
    folder = write_former(tmp_path / "former", model, bomb)
    with pytest.raises(ArtifactError, match=r"it contains \w+\.mkdir, which no model of format 1"):
        migrate(folder, tmp_path / "new", without_documents)
    assert not trace.exists()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("stream", "named"),
    [
        (b"cmodel.features\nClaimEncoder.__init__\n.", r"ClaimEncoder\.__init__"),
        (b"cmodel.features.encoder\nClaimEncoder\n.", "model.features.encoder"),
        (b"cnumpy\nload\n.", r"numpy\.load"),
        (pickle.dumps(np.array([{}], dtype=object)), "_reconstruct"),
    ],
)
def test_no_other_name_is_accepted(stream: bytes, named: str) -> None:
    with pytest.raises(ForeignError, match=named):
        read_former(stream)


def test_an_array_of_objects_is_not_read() -> None:
    """It is a pickle of its own."""
    buffer = io.BytesIO()
    joblib.dump(np.array([1, "x"], dtype=object), buffer)
    with pytest.raises(ForeignError, match="array of objects"):
        read_former(buffer.getvalue())


def test_a_damaged_one_is_refused(tmp_path: Path) -> None:
    folder = former(tmp_path)
    content = (folder / MODEL_FILE).read_bytes()
    (folder / MODEL_FILE).write_bytes(content[:-1] + b"x")
    with pytest.raises(ArtifactError, match="damaged"):
        migrate(folder, tmp_path / "new", without_documents)


def test_one_that_scores_differently_is_refused(tmp_path: Path) -> None:
    other = train(DATA, "logistic_regression", SplitPlan(kind="random", seed=1))
    folder = write_former(tmp_path / "former", linear(), former_pickle(other.pipeline))
    with pytest.raises(ArtifactError, match="computes different scores"):
        migrate(folder, tmp_path / "new", without_documents)


def test_where_it_may_not_be_written(tmp_path: Path) -> None:
    folder = former(tmp_path)
    (tmp_path / "link").symlink_to(folder)
    for output in (folder, tmp_path / "link"):
        with pytest.raises(ArtifactError, match="is the model itself"):
            migrate(folder, output, without_documents)
    (tmp_path / "other").mkdir()
    with pytest.raises(ArtifactError, match="not an artifact"):
        migrate(folder, tmp_path / "other", without_documents)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("1", "is or was in service, and rollback may go back to it"),
        ("2", "is the model in service: save the new one in another folder, then promote it"),
        ("current", "is the model in service: save the new one in another folder"),
    ],
)
def test_no_version_that_is_or_was_in_service_is_overwritten(
    tmp_path: Path, output: str, said: str
) -> None:
    for version in ("1", "2"):
        write(linear(), tmp_path / version, created_at=NOW, version=version)
        promote(tmp_path, version, NOW)
    with pytest.raises(ArtifactError, match=said):
        migrate(former(tmp_path), tmp_path / output, without_documents)
    assert load(tmp_path / "1").version == "1"
    assert load(tmp_path / "current").version == "2"


def test_a_present_one_needs_none(tmp_path: Path) -> None:
    write(linear(), tmp_path / "model", created_at=NOW)
    with pytest.raises(ArtifactError, match=r"artifact format 3.*needs no migration"):
        migrate(tmp_path / "model", tmp_path / "new", without_documents)


def test_one_that_has_only_the_pickle_gets_plain_data(tmp_path: Path) -> None:
    write(linear(), tmp_path / "model", created_at=NOW)
    plain = (tmp_path / "model" / PLAIN_FILE).read_bytes()
    folder = without_plain(tmp_path / "model")
    migrate(folder, tmp_path / "new", without_documents)
    assert (tmp_path / "new" / PLAIN_FILE).read_bytes() == plain
    assert load(tmp_path / "new", prove=True).score(DATA.claims).tobytes() == (
        load(folder).score(DATA.claims).tobytes()
    )


def signed_former(folder: Path, keys: Keys) -> Path:
    """`sign` of this release does not read the former format."""
    made = former(folder)
    signature = private_key(keys.private).sign((made / MANIFEST_FILE).read_bytes())
    (made / SIGNATURE_FILE).write_bytes(signature)
    return made


def test_a_signed_one_is_signed_again(
    tmp_path: Path, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["migrate", "--model", str(signed_former(tmp_path, keys)), "--output"]
    output = tmp_path / "new"
    assert main([*given, str(output), "--key", str(keys.private)]) == 0
    assert load(output, verify=signed_by(public_key(keys.public)))
    assert f"{output / SIGNATURE_FILE} written" in capsys.readouterr().out
    assert main([*given, str(tmp_path / "unsigned")]) == 0
    assert "is not yet: python -m model sign" in capsys.readouterr().err


def test_a_signature_of_another_manifest_is_not_replaced(tmp_path: Path, keys: Keys) -> None:
    folder = signed_former(tmp_path, keys)
    manifest = msgspec.json.decode((folder / MANIFEST_FILE).read_bytes()) | {"name": "another"}
    (folder / MANIFEST_FILE).write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(ArtifactError, match="not a valid signature"):
        migrate(folder, tmp_path / "new", without_documents, private_key(keys.private))
    assert not (tmp_path / "new").exists()


def test_signing_a_former_one_names_the_way(tmp_path: Path, keys: Keys) -> None:
    with pytest.raises(ArtifactError, match="model migrate"):
        sign(former(tmp_path), private_key(keys.private))
