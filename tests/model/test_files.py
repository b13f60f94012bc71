"""Files that decide what the program does: read at once, and only if not world-writable."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.dead_letters.encryption import read_keys
from consumer.settings.environment import read_secret
from model.artifact.store import ArtifactError, read_manifest
from model.files.permissions import HAS_MODES
from model.files.trusted import FileError, decode, read, read_trusted
from model.files.writing import write
from model.releases.promotions import history
from model.releases.signing import private_key, public_key
from model.reports.documents import read_evaluation
from model.scoring.load import load
from model.scoring.rules import load as load_rules
from model.training.train import write as write_model
from schemas.contract.parse import shipped
from schemas.contract.source import read_file as read_contract
from tests.model.examples import linear
from tests.model.test_artifact import NOW

pytestmark = pytest.mark.skipif(not HAS_MODES, reason="modes say something on POSIX only")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"content")
    return tmp_path / "folder" / "file"


def test_a_file_of_its_owner_is_read(file: Path) -> None:
    assert read(file) == read_trusted(file) == b"content"
    file.chmod(0o664)
    file.parent.chmod(0o1775)
    assert read_trusted(file) == b"content"


@pytest.mark.parametrize("mode", [0o646, 0o1646, 0o7777])
def test_a_file_that_anybody_may_write_to(file: Path, mode: int) -> None:
    """The sticky bit protects the entries of a folder; of a file it means nothing."""
    file.chmod(mode)
    with pytest.raises(FileError, match=f"anyone .* chmod o-w {file}$"):
        read_trusted(file)
    assert read(file) == b"content"


def test_a_folder_in_which_anybody_may_replace_it(file: Path, tmp_path: Path) -> None:
    file.parent.chmod(0o777)
    with pytest.raises(FileError, match=f"chmod o-w {file.parent}$"):
        read_trusted(file)
    (tmp_path / "link").symlink_to(file)
    with pytest.raises(FileError, match=f"chmod o-w {file.parent}$"):
        read_trusted(tmp_path / "link")
    file.parent.chmod(0o1777)
    assert read_trusted(tmp_path / "link") == b"content"


IN_A_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
"""Runs a command that may mount what nobody else sees."""
READ_ONLY = """
import sys
from pathlib import Path
from model.files.permissions import open_to_all
from model.files.trusted import read_trusted
file = Path(sys.argv[1])
print(read_trusted(file).decode(), open_to_all(file))
"""


def test_a_folder_that_is_mounted_read_only_is_nobodys_to_write(file: Path) -> None:
    """As Kubernetes mounts a ConfigMap."""
    try:
        subprocess.run([*IN_A_NAMESPACE, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this system lets nobody mount a folder: {error}")
    folder = file.parent
    folder.chmod(0o777)
    with pytest.raises(FileError, match=f"chmod o-w {folder}$"):
        read_trusted(file)
    mounted = (
        f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder} && "
        f'exec {sys.executable} -c "$1" {file}'
    )
    said = subprocess.run(
        [*IN_A_NAMESPACE, "sh", "-ec", mounted, "sh", READ_ONLY],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert said == f"content {folder}\n"


def test_what_is_not_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    end = os.open(tmp_path / "pipe", os.O_RDWR)  # what waits for a writer fails instead
    os.write(end, b"{}")
    (tmp_path / "null").symlink_to(os.devnull)
    try:
        for name, message in (
            ("pipe", "not a regular file"),
            ("null", "not a regular file"),
            ("none", "No such file"),
            (".", "directory"),
        ):
            with pytest.raises(FileError, match=message):
                read(tmp_path / name)
    finally:
        os.close(end)


def sparse(path: Path) -> Path:
    """A file of 2 GB that takes no space; nobody would be able to hold a hundred of them."""
    path.touch()
    os.truncate(path, 2_000_000_000)
    return path


def test_no_more_is_read_than_a_file_may_have(file: Path, tmp_path: Path) -> None:
    """In a process that may not take 2 GB of memory."""
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from model.files.trusted import FileError, read, read_trusted\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1_500_000_000, 1_500_000_000))\n"
        "for one in (read, read_trusted):\n"
        "    try:\n"
        "        one(Path(sys.argv[1]))\n"
        "    except FileError as error:\n"
        "        print(error)\n"
    )
    large = sparse(file.parent / "large")
    run = subprocess.run(
        [sys.executable, "-c", program, str(large)], check=False, capture_output=True, text=True
    )
    assert run.stdout.splitlines() == ["larger than 10,000,000 bytes, the most that is read"] * 2
    assert read(file, most=7) == b"content"
    with pytest.raises(FileError, match="larger than 6 bytes"):
        read(file, most=6)


READERS: dict[str, Callable[[Path], object]] = {
    "manifest.json": lambda file: read_manifest(file.parent),
    "evaluation.json": lambda file: read_evaluation(file.parent),
    "promotions.jsonl": lambda file: history(file.parent),
    "rules.toml": lambda file: load_rules(file, shipped("auto")),
    "model.key": private_key,
    "model.pub": public_key,
    "dead-letter.key": read_keys,
    "password": lambda file: read_secret("PASSWORD_FILE", str(file)),
    "contract.yaml": read_contract,
    "contract.json": read_contract,
}


@pytest.mark.parametrize("name", READERS)
def test_each_file_that_is_read_whole_has_a_limit(name: str, file: Path) -> None:
    large = file.parent / name
    large.touch()
    os.truncate(large, 10_000_001)
    with pytest.raises(Exception, match=r"larger than 10?,000,000 bytes") as refused:
        READERS[name](large)
    assert name in str(refused.value)


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("model.joblib", "1,000,000,000"),
        ("model.json", "1,000,000,000"),
        ("reference.json", "10,000,000"),
    ],
)
def test_model_and_reference_have_a_limit(name: str, limit: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_model(linear(), folder, created_at=NOW)
    sparse(folder / name)
    with pytest.raises(ArtifactError, match=f"{name}: larger than {limit} bytes"):
        load(folder)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_reported_with_the_file() -> None:
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
        write(Path("/dev/full"), b"content")


@pytest.mark.parametrize("content", [b"", b"{", b'"\xff"', b"[" * 100_000, b"1"])
def test_what_cannot_be_decoded(content: bytes) -> None:
    with pytest.raises(FileError):
        decode(content, list[str])
