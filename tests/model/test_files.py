"""Files that decide what the program does: read at once, and only if not world-writable."""

import os
from pathlib import Path

import pytest

from model.files.permissions import HAS_MODES, open_to_all
from model.files.trusted import FileError, decode, read, read_trusted
from model.files.writing import write

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


def test_a_folder_that_is_mounted_read_only_is_nobodys_to_write(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Kubernetes mounts a ConfigMap."""
    file.parent.chmod(0o777)
    found = os.statvfs(file)
    fields = [*found[:8], found.f_flag | os.ST_RDONLY, found.f_namemax]
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(fields))
    assert read_trusted(file) == b"content"
    assert open_to_all(file) == file.parent


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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_reported_with_the_file() -> None:
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
        write(Path("/dev/full"), b"content")


@pytest.mark.parametrize("content", [b"", b"{", b'"\xff"', b"[" * 100_000, b"1"])
def test_what_cannot_be_decoded(content: bytes) -> None:
    with pytest.raises(FileError):
        decode(content, list[str])
