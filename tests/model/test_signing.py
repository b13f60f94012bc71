"""Signed models: what is signed is loaded, and nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from model.__main__ import main
from model.artifact.store import ArtifactError
from model.releases.signing import (
    SIGNATURE_FILE,
    KeyFileError,
    private_key,
    public_key,
    sign,
    signed_by,
)
from model.scoring.load import load
from model.training.train import write
from tests.model.examples import linear
from tests.model.test_artifact import NOW

TRAINED = linear()


class Keys(NamedTuple):
    private: Path
    public: Path


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def make_keys(folder: Path, algorithm: str = "ed25519") -> Keys:
    """As docs/security.md has it."""
    keys = Keys(folder / "model.key", folder / "model.pub")
    openssl("genpkey", "-algorithm", algorithm, "-out", keys.private)
    openssl("pkey", "-in", keys.private, "-pubout", "-out", keys.public)
    return keys


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(TRAINED, tmp_path / "model", created_at=NOW)
    return tmp_path / "model"


def load_signed(folder: Path, keys: Keys) -> str:
    return load(folder, verify=signed_by(public_key(keys.public))).name


def test_a_signed_model_is_loaded(
    folder: Path, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sign", "--model", str(folder), "--key", str(keys.private)]) == 0
    assert capsys.readouterr().out == f"{folder / SIGNATURE_FILE} written\n"
    assert load_signed(folder, keys) == "logistic_regression"
    assert [p.name for p in folder.glob("*.new")] == []


def test_one_that_is_not_signed_is_refused(folder: Path, keys: Keys) -> None:
    with pytest.raises(ArtifactError, match=r"is not signed; .* python -m model sign"):
        load_signed(folder, keys)


def test_a_changed_manifest_is_refused(folder: Path, keys: Keys) -> None:
    sign(folder, private_key(keys.private))
    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"seed": 42', b'"seed": 43'))
    assert load(folder).manifest.seed == 43  # nothing but the signature finds it
    with pytest.raises(
        ArtifactError, match="the manifest was changed, or it was signed with another key"
    ):
        load_signed(folder, keys)


@pytest.mark.parametrize("name", ["model.joblib", "model.json", "reference.json", "contract.json"])
def test_a_changed_file_is_refused(folder: Path, keys: Keys, name: str) -> None:
    sign(folder, private_key(keys.private))
    with (folder / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(ArtifactError, match="damaged"):
        load_signed(folder, keys)


@pytest.mark.parametrize("verb", ["score", "evaluate"])
def test_commands_load_signed_models_only_if_they_are_asked_to(
    verb: str, folder: Path, keys: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "claims.jsonl"
    data.write_bytes(
        b"".join(
            b'{"claim_id":"c%d","fault":"third party","fraud":%s}\n'
            % (n, (b"true", b"false")[n % 2])
            for n in range(20)
        )
    )
    more = ["--format", "jsonl"] if verb == "evaluate" else []
    command = [verb, "--model", str(folder), "--data", str(data), *more]
    assert main(command) == 0
    assert main([*command, "--public-key", str(keys.public)]) == 1
    assert "is not signed" in capsys.readouterr().err
    sign(folder, private_key(keys.private))
    assert main([*command, "--public-key", str(keys.public)]) == 0
    assert main([*command, "--public-key", str(keys.private)]) == 1
    assert "is not a public key" in capsys.readouterr().err


def test_another_key_is_refused(folder: Path, keys: Keys, tmp_path: Path) -> None:
    sign(folder, private_key(make_keys(tmp_path).private))
    with pytest.raises(ArtifactError, match="another key"):
        load_signed(folder, keys)


@pytest.mark.parametrize("signature", [b"", b"\0" * 64, b"\xff" * 65])
def test_what_is_no_signature_is_refused(folder: Path, keys: Keys, signature: bytes) -> None:
    (folder / SIGNATURE_FILE).write_bytes(signature)
    with pytest.raises(ArtifactError, match="is not a valid signature of"):
        load_signed(folder, keys)


def test_the_signature_of_another_model_is_refused(
    folder: Path, keys: Keys, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    write(TRAINED, other, created_at=NOW, version="2")
    shutil.copy(sign(other, private_key(keys.private)), folder)
    with pytest.raises(ArtifactError, match="is not a valid signature of"):
        load_signed(folder, keys)


def test_openssl_makes_and_checks_the_same(folder: Path, keys: Keys) -> None:
    manifest, signature = folder / "manifest.json", folder / SIGNATURE_FILE
    openssl(
        "pkeyutl", "-sign", "-rawin", "-inkey", keys.private, "-in", manifest, "-out", signature
    )
    assert load_signed(folder, keys) == "logistic_regression"
    sign(folder, private_key(keys.private))
    openssl("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", keys.public, "-in", manifest,
            "-sigfile", signature)  # fmt: skip


def test_a_damaged_model_is_not_signed(
    folder: Path, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "model.joblib").write_bytes(b"x")
    assert main(["sign", "--model", str(folder), "--key", str(keys.private)]) == 1
    assert "damaged" in capsys.readouterr().err
    assert not (folder / SIGNATURE_FILE).exists()


def test_a_model_that_is_trained_anew_has_to_be_signed_anew(folder: Path, keys: Keys) -> None:
    sign(folder, private_key(keys.private))
    write(TRAINED, folder, created_at=NOW)
    with pytest.raises(ArtifactError, match="is not signed"):
        load_signed(folder, keys)


def test_what_is_no_such_key_is_named(keys: Keys, tmp_path: Path) -> None:
    other = make_keys(tmp_path, "x25519")
    locked = tmp_path / "locked.key"
    openssl("pkcs8", "-topk8", "-in", keys.private, "-out", locked, "-passout", "pass:x")
    (tmp_path / "text").write_text("no key")
    for read, file, said in (
        (private_key, tmp_path / "none", "No such file"),
        (private_key, tmp_path / "text", "is not a private key in PEM"),
        (private_key, keys.public, "is not a private key in PEM"),
        (private_key, locked, "is not a private key in PEM"),
        (private_key, other.private, "X25519PrivateKey, not an Ed25519 private key"),
        (public_key, keys.private, "is not a public key in PEM"),
        (public_key, other.public, "X25519PublicKey, not an Ed25519 public key"),
    ):
        with pytest.raises(KeyFileError, match=said) as refused:
            read(file)
        assert str(file) in str(refused.value)


def test_without_the_library_its_installation_is_named(
    keys: Keys, monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    assert main(["sign", "--model", str(folder), "--key", str(keys.private)]) == 1
    assert "-r requirements/runtime.lock" in capsys.readouterr().err


def test_a_key_that_anybody_may_replace_is_refused(tmp_path: Path) -> None:
    keys = make_keys(tmp_path)
    for read, file in ((private_key, keys.private), (public_key, keys.public)):
        assert read(file)
        file.chmod(0o666)
        with pytest.raises(KeyFileError, match=f"chmod o-w {file}$"):
            read(file)
