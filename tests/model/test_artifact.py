"""Saving and loading: what comes back is what went in, or words."""

import datetime as dt
import hashlib
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from model.artifact import store as artifact
from model.artifact.manifest import Manifest, SplitPlan
from model.artifact.store import FILES, ArtifactError, read_manifest, save
from model.features.facts import claim_columns
from model.scoring.load import load
from model.training.train import package, train, write
from tests.harness.audit import before
from tests.model.examples import AUTO, dataset
from tests.model.pickled import without_plain

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
DATA = dataset()
TRAINED = train(DATA, "gradient_boosting", SplitPlan(kind="random"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(TRAINED, tmp_path / "model", created_at=NOW)
    return tmp_path / "model"


def change(folder: Path, **values: Any) -> None:
    """Rewrite fields of the manifest, as raw JSON."""
    path = folder / "manifest.json"
    found = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode(found | values))


class Bomb:
    """Leaves a trace when unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


def test_what_is_loaded_scores_like_what_was_saved(folder: Path) -> None:
    scorer = load(folder)
    claims = DATA.claims[:100]
    columns = claim_columns(AUTO, claims, scorer.features)
    assert scorer.score(claims).tobytes() == TRAINED.pipeline.predict_proba(columns)[:, 1].tobytes()
    assert scorer.name == "gradient_boosting"
    assert scorer.version == "20260102.030405"
    assert scorer.threshold == 0.5
    assert scorer.sha256 == hashlib.sha256((folder / "model.joblib").read_bytes()).hexdigest()


def test_the_manifest_tells_what_the_model_is(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest.algorithm == "gradient_boosting"
    assert manifest.metrics == TRAINED.report
    assert manifest.trained_on.sha256 == DATA.digest
    assert manifest.trained_on.rows == len(DATA.claims)
    assert manifest.trained_on.training_rows == 480
    assert manifest.trained_on.claims_per_day == pytest.approx(480 / 200, rel=0.02)
    assert manifest.trained_on.first_loss == DATA.claims[0].loss_date
    assert manifest.features == load(folder).features
    assert manifest.categories["fault"] == ("policy holder", "third party")
    assert manifest.created_at == NOW
    assert manifest.split == SplitPlan(kind="random", test_size=0.2, seed=42)


def test_a_changed_model_is_refused_before_it_is_unpickled(folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (folder / "model.joblib").write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(ArtifactError, match=r"sha256 .* its manifest says .* damaged"):
        load(folder)
    assert not trace.exists()
    # The bomb is live: with its own digest, in an artifact that has nothing else, it goes off.
    change(folder, sha256=hashlib.sha256((folder / "model.joblib").read_bytes()).hexdigest())
    without_plain(folder)
    with pytest.raises(ArtifactError, match="TypeError"):  # what came out is not a pipeline
        load(folder)
    assert trace.exists()


def test_one_flipped_bit_is_refused(folder: Path) -> None:
    model = bytearray((folder / "model.joblib").read_bytes())
    model[len(model) // 2] ^= 1
    (folder / "model.joblib").write_bytes(model)
    with pytest.raises(ArtifactError, match="damaged"):
        load(folder)


def test_another_version_of_scikit_learn_is_refused_where_a_model_is_unpickled(
    folder: Path,
) -> None:
    found = msgspec.json.decode((folder / "manifest.json").read_bytes())["versions"]
    change(folder, versions=found | {"scikit_learn": "1.4.2"})
    load(folder)
    with pytest.raises(ArtifactError, match=r"created with scikit-learn 1\.4\.2"):
        load(folder, prove=True)
    with pytest.raises(ArtifactError, match=r"created with scikit-learn 1\.4\.2"):
        load(without_plain(folder))


def test_a_patch_release_of_scikit_learn_is_accepted(folder: Path) -> None:
    found = msgspec.json.decode((folder / "manifest.json").read_bytes())["versions"]
    major, minor, _ = found["scikit_learn"].split(".")
    change(folder, versions=found | {"scikit_learn": f"{major}.{minor}.99"})
    assert load(folder, prove=True).name == "gradient_boosting"


@pytest.mark.parametrize("missing", FILES)
def test_a_missing_file_is_named(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(ArtifactError, match=rf"cannot read .*{missing}: No such file"):
        load(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"{", "is not a manifest"), (b"{}", "is not a manifest: .*missing required field")],
)
def test_a_broken_manifest_is_refused(folder: Path, content: bytes, message: str) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=message):
        load(folder)


def test_another_artifact_format_is_refused(folder: Path) -> None:
    change(folder, format_version=99)
    with pytest.raises(ArtifactError, match="artifact format 99"):
        load(folder)


def test_an_artifact_of_the_format_before_contracts_says_so(folder: Path) -> None:
    path = folder / "manifest.json"
    found = msgspec.json.decode(path.read_bytes()) | {"format_version": 2}
    path.write_bytes(
        msgspec.json.encode({name: v for name, v in found.items() if "contract" not in name})
    )
    with pytest.raises(
        ArtifactError, match=r"artifact format 2, and format 3 is expected: python -m model migrate"
    ):
        load(folder)


def test_one_changed_byte_of_the_contract_is_refused(folder: Path) -> None:
    """Loading it would read claims otherwise than the model was trained on."""
    path = folder / "contract.json"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"contract\.json has sha256 .*its manifest says .*dam"):
        load(folder)


def test_the_contract_is_that_of_the_training_claims(folder: Path) -> None:
    scorer = load(folder)
    assert scorer.contract == AUTO
    assert (folder / "contract.json").read_bytes() == AUTO.to_json()
    manifest = read_manifest(folder)
    assert manifest.contract == AUTO.about
    assert manifest.contract_sha256 == hashlib.sha256(AUTO.to_json()).hexdigest()


@pytest.mark.parametrize("content", [b"{", b"{}", b"\xff", b'{"x-contract": {"name": "auto"}}'])
def test_a_file_that_is_no_contract_is_refused(folder: Path, content: bytes) -> None:
    (folder / "contract.json").write_bytes(content)
    change(folder, contract_sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ArtifactError, match=r"contract\.json is not a contract"):
        load(folder)


def test_saving_again_replaces_and_leaves_nothing_behind(folder: Path) -> None:
    write(TRAINED, folder, created_at=NOW, version="2")
    assert load(folder).version == "2"
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_a_save_that_fails_leaves_the_old_artifact(folder: Path) -> None:
    """After the model, before the manifest."""
    contents, newer = package(TRAINED, created_at=NOW, version="2")
    with pytest.raises(FileNotFoundError, match="no-such-folder"):
        save(folder, contents, newer, {"no-such-folder/card.md": b"words"})
    assert load(folder).version == "20260102.030405"
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_save_interrupted_between_two_renames_leaves_the_old_artifact(
    folder: Path, error: BaseException
) -> None:
    def interrupted(path: str, *_: object) -> None:
        if Path(path).name == "new":
            raise error

    with before("os.rename", interrupted), pytest.raises(type(error)):
        write(TRAINED, folder, created_at=NOW, version="2")
    assert load(folder).version == "20260102.030405"
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_a_save_that_cannot_put_the_old_artifact_back_keeps_both(folder: Path) -> None:
    def refused(_: str, target: str, *__: object) -> None:
        if Path(target) == folder:
            raise OSError(5, "Input/output error")

    kept = pytest.raises(ArtifactError, match=r"the former model is .*/old, the new one is .*/new")
    with before("os.rename", refused), kept:
        write(TRAINED, folder, created_at=NOW, version="2")
    (work,) = folder.parent.iterdir()
    assert {p.name: load(p).version for p in work.iterdir()} == {
        "old": "20260102.030405",
        "new": "2",
    }


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(ArtifactError, match="not an artifact"):
        write(TRAINED, tmp_path, created_at=NOW)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_manifest_of_other_bytes_is_not_saved(folder: Path, tmp_path: Path) -> None:
    manifest: Manifest = read_manifest(folder)
    with pytest.raises(ArtifactError, match="do not match what it describes"):
        save(tmp_path / "other", artifact.Contents(b"other", b"bytes", b"{}", b"{}"), manifest)


@pytest.mark.slow
def test_a_model_without_plain_data_does_not_need_pandas(folder: Path) -> None:
    """scikit-learn imports pandas where it is installed; nothing of ours asks for it."""
    without_plain(folder)
    program = (
        "import sys\n"
        "class NoPandas:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'pandas':\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, NoPandas())\n"
        "import model.scoring.load\n"
        "from schemas.claim import Claim\n"
        f"scorer = model.scoring.load.load({str(folder)!r})\n"
        "assert 'pandas' not in sys.modules\n"
        "print(scorer.score([Claim(claim_id='a', fault='Third Party')])[0])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert 0 < float(run.stdout) < 1


def test_no_claims_give_no_scores(folder: Path) -> None:
    assert load(folder).score([]).shape == (0,)
    assert load(folder).score([]).dtype == np.float64
