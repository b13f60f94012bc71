"""The folder of a store: one process, one key, and nothing that the log would not give again."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from consumer.errors import SettingsError
from consumer.kafka.topics import KeptLog
from consumer.memory import store
from consumer.memory.assembly import DAY_S, current_store
from consumer.memory.view import LogFact
from model.history.plan import Bounds, EntityKind
from tests.consumer.memory.logs import KINDS, PRINT, Log, dumped, fed, many_claims, opened
from tests.consumer.memory.mutants import store_of
from tests.harness.mutants import Mutant

LONG_AGO = 1_000_000_000.0
ANOTHER_SPAN = Bounds(days=7)
ANOTHER_NUMBER = Bounds(business=7)
PEOPLE = tuple(EntityKind(kind=kind.kind, like="person") for kind in KINDS)


def log() -> Log:
    """Some log."""
    return many_claims(20)


def is_kept(folder: Path, of: Any = store, **others: Any) -> bool:
    """Whether a store that was filled and closed is as it was when it is opened like this."""
    one = log()
    fed(folder, one, one.facts, of)
    before = dumped(folder)
    bounds = others.pop("bounds", one.bounds)
    opened(folder, bounds, of, **others).close()
    return dumped(folder) == before


def is_empty(folder: Path, of: Any = store, **others: Any) -> bool:
    """Whether nothing is left of it, so that the log is read from its beginning."""
    one = log()
    fed(folder, one, one.facts, of)
    view = opened(folder, others.pop("bounds", one.bounds), of, **others)
    positions = view.positions()
    view.close()
    return positions == {} and not any(dumped(folder).values())


def says(folder: Path, **members: Any) -> None:
    """Change what the owner's file says."""
    path = folder / "owner.json"
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | members))


def outlives_its_process(folder: Path, of: Any = store) -> bool:
    """A store that nobody closed, on a machine that went on."""
    one = log()
    fed(folder, one, one.facts, of)
    before = dumped(folder)
    says(folder, opened=Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    opened(folder, one.bounds, of).close()
    return dumped(folder) == before


def is_empty_after_the_machine_stopped(folder: Path, of: Any = store, run: str = "another") -> bool:
    """A store that nobody closed before the machine stopped."""
    one = log()
    fed(folder, one, one.facts, of)
    says(folder, opened=run)
    opened(folder, one.bounds, of).close()
    return not any(dumped(folder).values())


def is_complete_as_of(folder: Path, of: Any = store) -> bool:
    """Opening and closing it does not change of which moment it has everything."""
    one = log()
    fed(folder, one, one.facts, of)
    view = opened(folder, one.bounds, of)
    began = view.complete_s > LONG_AGO
    view.complete(LONG_AGO)
    view.close()
    for _ in range(2):
        opened(folder, one.bounds, of).close()
    view = opened(folder, one.bounds, of)
    kept = view.complete_s == LONG_AGO
    view.empty()
    again = view.complete_s > LONG_AGO
    view.close()
    return bool(began and kept and again)


def says_that_it_is_open(folder: Path, of: Any = store) -> bool:
    """From when it is opened until it is closed."""
    view = opened(folder, log().bounds, of)
    during = msgspec.json.decode((folder / "owner.json").read_bytes())["opened"]
    view.close()
    after = msgspec.json.decode((folder / "owner.json").read_bytes())["opened"]
    return during is not None and after is None


def refuses_another_key(folder: Path, of: Any = store) -> bool:
    """What was hashed with another key is not found, so it would look as if nobody had a past."""
    one = log()
    fed(folder, one, one.facts, of)
    before = dumped(folder)
    try:
        opened(folder, one.bounds, of, fingerprint="f" * 16)
    except SettingsError as error:
        return "MEMORY_KEY_FILE" in str(error) and dumped(folder) == before
    return False


def refuses_a_record_of_another_key(folder: Path, of: Any = store) -> bool:
    """The same of a record of the log."""
    one = many_claims(1)
    view = opened(folder, one.bounds, of, fingerprint="f" * 16)
    try:
        view.apply(one.facts, {0: 1})
    except SettingsError as error:
        return "MEMORY_KEY_FILE" in str(error) and view.positions() == {}
    finally:
        view.close()
    return False


def has_one_owner(folder: Path, of: Any = store) -> bool:
    """A second one is refused, until the first is closed."""
    bounds = log().bounds
    view = opened(folder, bounds, of)
    try:
        opened(folder, bounds, of).close()
    except SettingsError as error:
        told = str(error)
    else:
        told = ""
    view.close()
    opened(folder, bounds, of).close()
    return "MEMORY_STORE" in told and "in use" in told


def grows(folder: Path, of: Any = store) -> bool:
    """A store that begins small is in the end what one is that was large enough."""
    one = many_claims(3_000)
    view = opened(folder / "small", one.bounds, of, map_bytes=128 << 10)
    view.apply(one.facts[:1], {0: 1})
    size = (folder / "small" / "data.mdb").stat().st_size
    view.apply(one.facts, {0: len(one.facts)})
    view.close()
    fed(folder / "large", one, one.facts, of)
    grown = (folder / "small" / "data.mdb").stat()
    taken = grown.st_blocks * 512 >= grown.st_size
    return grown.st_size > size and taken and dumped(folder / "small") == dumped(folder / "large")


def is_emptied(folder: Path, of: Any = store) -> bool:
    """When it is told to be."""
    one = log()
    view = opened(folder, one.bounds, of)
    view.apply(one.facts, {0: 1})
    view.empty()
    positions = view.positions()
    view.close()
    return positions == {} and not any(dumped(folder).values())


CHECKS: tuple[Callable[..., bool], ...] = (
    is_kept, outlives_its_process, is_empty_after_the_machine_stopped, says_that_it_is_open,
    is_complete_as_of, refuses_another_key, refuses_a_record_of_another_key, has_one_owner, grows,
    is_emptied,
)  # fmt: skip


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_of_a_folder(check: Callable[..., bool], tmp_path: Path) -> None:
    assert check(tmp_path)


OTHERS: tuple[dict[str, Any], ...] = (
    {"topic_id": "t2"}, {"bounds": ANOTHER_SPAN}, {"bounds": ANOTHER_NUMBER},
    {"kinds": PEOPLE}, {"kinds": KINDS[::-1]},
)  # fmt: skip


@pytest.mark.parametrize("others", OTHERS, ids=lambda others: next(iter(others)))
def test_what_was_filled_with_anything_else_is_read_again(
    others: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        assert is_empty(tmp_path, **others)
    assert "read from the log again" in caplog.text


def test_another_format_or_none_is_read_again(tmp_path: Path) -> None:
    one = log()
    fed(tmp_path, one, one.facts)
    owner = msgspec.json.decode((tmp_path / "owner.json").read_bytes())
    says(tmp_path, filled=owner["filled"] | {"format": "0"})
    opened(tmp_path, one.bounds).close()
    assert not any(dumped(tmp_path).values())
    for content in (b"{}", b"\xff", b"{"):
        fed(tmp_path, one, one.facts)
        (tmp_path / "owner.json").write_bytes(content)
        opened(tmp_path, one.bounds).close()
        assert not any(dumped(tmp_path).values())


def test_bounds_of_reading_are_not_part_of_what_it_was_filled_with(tmp_path: Path) -> None:
    assert is_kept(tmp_path, bounds=Bounds(person=9, common=9))


def test_where_no_run_of_the_machine_is_known_it_is_read_again(tmp_path: Path) -> None:
    assert is_empty_after_the_machine_stopped(tmp_path, run="unknown")


def test_a_lost_file_is_read_again(tmp_path: Path) -> None:
    one = log()
    fed(tmp_path, one, one.facts)
    (tmp_path / "data.mdb").unlink()
    view = opened(tmp_path, one.bounds)
    assert view.positions() == {}
    view.close()


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    one = log()
    fed(tmp_path, one, one.facts)
    (tmp_path / "data.mdb").write_bytes(b"x" * 100_000)
    with pytest.raises(SettingsError, match="MEMORY_STORE"):
        opened(tmp_path, one.bounds)
    (tmp_path / "data.mdb").unlink()
    opened(tmp_path, one.bounds).close()


@pytest.mark.parametrize("kept", [5_000, 20_000, 60_000])
def test_what_is_damaged_is_refused_with_the_way_out(tmp_path: Path, kept: int) -> None:
    one = many_claims(2_000)
    fed(tmp_path, one, one.facts)
    os.truncate(tmp_path / "data.mdb", kept)
    with (
        pytest.raises(SettingsError, match=r"cannot be read: .*If it is deleted, it is made"),
        closing(opened(tmp_path, one.bounds)) as view,
    ):
        view.histories(one.asked, {})
        view.apply(one.facts, {})


@pytest.mark.parametrize("left", [0, 1, 100, 1_900])
def test_a_compacted_store_is_the_same_and_small(tmp_path: Path, left: int) -> None:
    """Also after most of it was forgotten: LMDB's own copy crashes then."""
    one = many_claims(2_000)
    fed(tmp_path, one, one.facts)
    with closing(opened(tmp_path, one.bounds)) as view:
        view.apply([LogFact(told.key, None) for told in one.facts[left:]], {0: 7})
    before, size = dumped(tmp_path), (tmp_path / "data.mdb").stat().st_size
    opened(tmp_path, one.bounds).compact()
    assert (tmp_path / "data.mdb").stat().st_size < size
    assert dumped(tmp_path) == before
    with closing(opened(tmp_path, one.bounds)) as view:
        assert view.positions() == {0: 7}
        assert bool(list(view.rows())) is bool(left)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="MEMORY_STORE"):
        opened(tmp_path / "file" / "store", Bounds())


def test_without_room_it_says_so_and_goes_on_when_there_is_some(tmp_path: Path) -> None:
    one = many_claims(3_000)
    view = opened(tmp_path / "small", one.bounds, map_bytes=128 << 10)
    view.apply(one.facts[:10], {0: 10})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (129 << 10, hard))
    try:
        with pytest.raises(SettingsError, match=r"MEMORY_STORE=.* needs [0-9,]+ bytes"):
            view.apply(one.facts, {0: len(one.facts)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert view.positions() == {0: 10}
    view.apply(one.facts, {0: len(one.facts)})
    view.close()
    fed(tmp_path / "large", one, one.facts)
    assert dumped(tmp_path / "small") == dumped(tmp_path / "large")


def test_without_its_package_it_says_how_to_install_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['lmdb'] = None\n"
        "from pathlib import Path; from model.history.plan import Bounds\n"
        "from consumer.memory.store import open_store\n"
        f"open_store(Path({str(tmp_path)!r}), (), Bounds(), 'f', 't')"
    )
    root = Path(__file__).parents[3]
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert "SettingsError: MEMORY=on needs the package lmdb, the extra memory" in ended.stderr


MUTANTS = [
    Mutant(
        "another key is accepted",
        "facts.folder", "if former.fingerprint != filled.fingerprint:", "if False:",
    ),
    Mutant(
        "a record of another key is accepted",
        "store", "isinstance(fact, RememberedClaim) and fact.key != self._filled.fingerprint",
        "False",
    ),
    Mutant(
        "a folder has several owners",
        "facts.folder", "fcntl.LOCK_EX | fcntl.LOCK_NB", "fcntl.LOCK_SH | fcntl.LOCK_NB",
    ),
    Mutant(
        "a folder is never left",
        "facts.folder", "        self.leave()\n", "",
    ),
    Mutant(
        "a store that was open is kept",
        "facts.folder", "if owner.opened is not None and", "if False and",
    ),
    Mutant(
        "a store that was open is never kept",
        "facts.folder", "(owner.opened != boot() or owner.opened == UNKNOWN)", "True",
    ),
    Mutant(
        "nothing says that it is open",
        "facts.folder", "self._say(filled, boot())\n        return why",
        "self._say(filled, None)\n        return why",
    ),
    Mutant(
        "to open a store is to complete it",
        "facts.folder", "self.complete_s = owner.complete_s", "self.complete_s = time.time()",
    ),
    Mutant(
        "of which moment it has everything is not kept",
        "facts.folder", "opened=opened, complete_s=self.complete_s", "opened=opened",
    ),
    Mutant(
        "a store that is emptied stays complete",
        "store", "        self.complete(time.time())\n", "",
    ),
    Mutant(
        "what is outdated stays",
        "facts.folder", "(self.path / name).unlink(missing_ok=True)", "pass",
    ),
    Mutant(
        "every store is outdated",
        "facts.folder", "        return None\n\n    def _say", '        return ""\n\n    def _say',
    ),
    Mutant(
        "no room is taken when it grows",
        "store", "        self._folder.take(size)\n        self._env.set_mapsize(size)",
        "        self._env.set_mapsize(size)",
    ),
    Mutant(
        "positions outlive what is emptied",
        "store", "(*self._tables().values(), self._positions):", "self._tables().values():",
    ),
]  # fmt: skip


def is_wrong(of: Any, scratch: Path) -> bool:
    """True if a store of this module breaks a rule, or fails."""
    for check in CHECKS:
        folder = scratch / check.__name__
        folder.mkdir()
        try:
            if not check(folder, of):
                return True
        except (AttributeError, LookupError, OSError, SettingsError, TypeError, ValueError):
            return True
    return False


@pytest.mark.parametrize(("days", "positions"), [(29, {0: 20}), (31, {})])
def test_a_store_that_was_away_is_filled_again_however_often_it_was_opened(
    tmp_path: Path, days: int, positions: dict[int, int]
) -> None:
    one = log()
    fed(tmp_path, one, one.facts)
    view = opened(tmp_path, one.bounds)
    view.complete(time.time() - days * DAY_S)
    view.close()
    opened(tmp_path, one.bounds).close()  # such as by `memory compact`, which reads nothing
    kept = KeptLog("t1", 30 * DAY_S)
    with closing(current_store(tmp_path, KINDS, one.bounds, PRINT, kept)) as view:
        assert view.positions() == positions


def test_the_folder_is_right(tmp_path: Path) -> None:
    assert not is_wrong(store_of(), tmp_path)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_a_mutant_is_found_out(mutant: Mutant, tmp_path: Path) -> None:
    assert is_wrong(store_of(mutant), tmp_path)
