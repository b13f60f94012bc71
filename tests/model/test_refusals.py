"""Whatever is wrong with an artifact, loading it is refused in words: nothing else is raised."""

import bz2
import gzip
import hashlib
import io
import lzma
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import msgspec
import pytest

from consumer.__main__ import main as consume
from model.__main__ import main
from model.artifact.store import ArtifactError, read_manifest, save
from model.reports.documents import documents
from model.scoring.load import load
from model.training.train import package, write
from tests.model.examples import linear
from tests.model.pickled import without_plain
from tests.model.test_artifact import DATA, NOW

pytestmark = pytest.mark.slow

TRAINED = linear()
FILES = ("manifest.json", "reference.json", "model.joblib", "model.json")


class OwnError(BaseException):
    """Not even printable."""

    def __str__(self) -> str:
        raise ValueError("no words")


def fail_with(name: str) -> None:
    raise {
        "AttributeError": AttributeError("no such class"),
        "MemoryError": MemoryError(),
        "SystemExit": SystemExit("bye"),
        "OwnError": OwnError(),
    }[name]


class Raising:
    """Raises when it is unpickled."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return fail_with, (self.name,)


def model_bytes(model: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    return buffer.getvalue()


def put(folder: Path, name: str, content: bytes) -> None:
    """Write a file of the artifact, and its digest into the manifest.

    A pickle is put into an artifact that has nothing else: otherwise it would not be looked at.
    """
    (folder / name).write_bytes(content)
    if name == "model.joblib" and (folder / "model.json").exists():
        without_plain(folder)
    field = {
        "model.joblib": "sha256",
        "model.json": "plain_sha256",
        "reference.json": "reference_sha256",
        "contract.json": "contract_sha256",
    }[name]
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
    manifest[field] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(TRAINED, tmp_path / "model", created_at=NOW, version="v1")
    return tmp_path / "model"


@pytest.mark.parametrize("name", ["AttributeError", "MemoryError", "SystemExit", "OwnError"])
def test_whatever_unpickling_raises_is_a_refusal(folder: Path, name: str) -> None:
    put(folder, "model.joblib", model_bytes(Raising(name)))
    with pytest.raises(ArtifactError, match=f"cannot be loaded .*{name}.*retrain"):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"\x80\x05.", b"cno_such_module\nThing\n.", b"garbage"])
def test_a_model_of_another_release_is_a_refusal(folder: Path, content: bytes) -> None:
    put(folder, "model.joblib", content)
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        load(folder)


@pytest.mark.parametrize("packed", [zlib.compress, gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_model_is_refused_before_it_is_unpacked(
    folder: Path, packed: Callable[[bytes], bytes]
) -> None:
    """A file of a megabyte may unpack to a gigabyte."""
    put(folder, "model.joblib", packed((folder / "model.joblib").read_bytes()))
    with pytest.raises(ArtifactError, match=r"cannot be loaded .*model\.joblib is packed"):
        load(folder)


@pytest.mark.parametrize("model", [None, {}, {"encode": 1, "classify": 2}, TRAINED.pipeline[:1]])
def test_what_is_not_a_pipeline_is_a_refusal(folder: Path, model: object) -> None:
    put(folder, "model.joblib", model_bytes(model))
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": []}, "no scores"),
        ({"golden": []}, "no golden examples"),
        ({"scores": [-5.0]}, "no probability"),
        ({"scores": [0.5, 1.5]}, "no probability"),
        ({"columns": {"fraud_probability": {"edges": [0.1], "counts": [1]}}}, "cannot be loaded"),
    ],
)
def test_a_reference_that_would_fail_at_the_first_claim_is_refused_now(
    folder: Path, change: dict[str, object], message: str
) -> None:
    found = msgspec.json.decode((folder / "reference.json").read_bytes())
    put(folder, "reference.json", msgspec.json.encode(found | change))
    with pytest.raises(ArtifactError, match=message):
        load(folder)


def test_a_version_that_is_longer_than_readers_of_alerts_take(folder: Path) -> None:
    path = folder / "manifest.json"
    manifest = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode({**manifest, "version": "v" * 201}))
    with pytest.raises(ArtifactError, match=r"length <= 200 - at `\$\.version`"):
        load(folder)


def test_a_string_of_the_manifest_that_is_not_utf_8(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"logistic_regression"', b'"logistic\xff"', 1))
    with pytest.raises(ArtifactError, match=r"manifest\.json is not a manifest"):
        load(folder)


@pytest.mark.parametrize("name", ["manifest.json", "reference.json"])
def test_what_is_nested_too_deeply_is_refused(folder: Path, name: str) -> None:
    deep = b'{"new": ' + b"[" * 100_000
    if name == "manifest.json":
        (folder / name).write_bytes(deep)
    else:
        put(folder, name, deep)
    with pytest.raises(ArtifactError, match="is not a"):
        load(folder)


def test_a_time_without_a_zone_cannot_be_compared_and_is_refused(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b"03:04:05Z", b"03:04:05"))
    with pytest.raises(ArtifactError, match="created_at"):
        read_manifest(folder)


def test_levels_that_contradict_each_other_are_refused(folder: Path) -> None:
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
    manifest["levels"] |= {"review": 0.9, "threshold": 0.5}
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(ArtifactError, match="review must not be above threshold"):
        read_manifest(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX")
def test_a_named_pipe_is_not_waited_for(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    # The other end: what would wait without it fails instead.
    end = os.open(folder / name, os.O_RDWR | os.O_NONBLOCK)
    os.write(end, b"{}")
    try:
        with pytest.raises(ArtifactError, match=rf"cannot read .*{name}: not a regular file"):
            load(folder)
    finally:
        os.close(end)


def loads_or_refuses(folder: Path) -> bool:
    try:
        load(folder)
    except ArtifactError:
        return False
    return True


@pytest.mark.parametrize("name", FILES)
def test_any_byte_may_be_damaged(folder: Path, name: str) -> None:
    """Bytes all over the file: inverted, and with one bit flipped."""
    path = folder / name
    whole = path.read_bytes()
    refused = 0
    for place in range(0, len(whole), max(1, len(whole) // 150)):
        for mask in (0xFF, 1 << place % 8):
            damaged = bytearray(whole)
            damaged[place] ^= mask
            path.write_bytes(damaged)
            refused += not loads_or_refuses(folder)
    assert refused >= 150


@pytest.mark.parametrize("name", ["model.joblib", "model.json"])
def test_any_byte_may_differ_in_a_model_with_the_right_digest(folder: Path, name: str) -> None:
    """The manifest vouches for it: reading and scoring find out, or nothing does."""
    whole = (folder / name).read_bytes()
    refused = 0
    for place in range(0, len(whole), max(1, len(whole) // 150)):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        put(folder, name, bytes(damaged))
        refused += not loads_or_refuses(folder)
    assert refused > 0


def broken(folder: Path) -> None:
    put(folder, "model.joblib", model_bytes(Raising("AttributeError")))


@pytest.mark.parametrize("command", ["run", "serve"])
def test_a_start_with_such_a_model_has_its_exit_code(
    command: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken(folder)
    for name in ("METRICS_PORT", "API_PORT"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("MODEL_DIR", str(folder))
    assert consume([command]) == 3
    assert f"error: MODEL_DIR={folder}: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        "promote v1 --root {root}",
        "evaluate --model {model} --data synthetic --rows 50",
    ],
)
def test_the_commands_say_it_in_one_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(TRAINED, tmp_path / "v1", created_at=NOW)
    broken(tmp_path / "v1")
    given = command.format(root=tmp_path, model=tmp_path / "v1").split()
    assert main(given) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"python -m model {given[0]}: ")
    assert said.count("\n") == 1
    assert "AttributeError" in said


def test_compare_leaves_it_out_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "v1", tmp_path / "v2"
    for folder in (good, bad):
        write(TRAINED, folder, created_at=NOW)
    broken(bad)
    assert main(["compare", str(good), str(bad), "--data", "synthetic", "--rows", "50"]) == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"left out: {bad} cannot be loaded (AttributeError")
    assert "recall" in said.out


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documented") / "v1"
    contents, manifest = package(TRAINED, created_at=NOW)
    save(folder, contents, manifest, documents(manifest, TRAINED, [], DATA))
    return folder


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("manifest.json", "card {model}"),
        ("manifest.json", "compare {model}"),
        ("manifest.json", "list --root {root}"),
        ("evaluation.json", "card {model}"),
        ("../promotions.jsonl", "card {model}"),
        ("../promotions.jsonl", "rollback --root {root}"),
    ],
)
@pytest.mark.parametrize("content", [b'{"version": "\xff"}', b"[" * 100_000, b"{"])
def test_what_is_only_read_is_refused_as_well(
    name: str,
    command: str,
    content: bytes,
    documented: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(documented, tmp_path / "v1")
    path = tmp_path / "v1" / name
    path.write_bytes(content)
    assert main(command.format(root=tmp_path, model=tmp_path / "v1").split()) == 1
    said = capsys.readouterr().err
    assert str(path.resolve()) in said
    assert said.count("\n") == 1
