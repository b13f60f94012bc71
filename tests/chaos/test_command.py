"""Which rounds the command plays."""

import itertools

from tests.broker import jars
from tests.chaos import faults
from tests.chaos.__main__ import REFUSED, cases, parser
from tests.chaos.round import Case


def played(*arguments: str) -> list[Case]:
    return list(itertools.islice(cases(parser().parse_args(arguments)), 200))


ALWAYS = {fault.name for fault in faults.ALL if not fault.stores}


def test_every_fault_is_played_in_every_mode() -> None:
    found = {(c.fault.name, c.protocol, c.membership) for c in played("--memory")}
    assert {name for name, _, _ in found} == set(faults.BY_NAME)
    assert len(found) == 3 * len(faults.BY_NAME)
    assert not {mode for _, *mode in found if tuple(mode) == REFUSED}


def test_faults_of_memory_are_played_with_memory_only() -> None:
    assert {c.fault.name for c in played()} == ALWAYS
    assert set(faults.BY_NAME) > ALWAYS


def test_the_store_is_drawn_by_the_seed_or_asked_for() -> None:
    drawn = played("--memory")
    assert drawn == played("--memory")
    assert {case.store for case in drawn if not case.fault.stores} == {"lmdb", "postgresql"}
    assert all(case.store in case.fault.stores for case in drawn if case.fault.stores)
    asked = played("--memory", "--store", "postgresql")
    assert {case.store for case in asked} == {"postgresql"}
    assert {case.fault.name for case in asked} > ALWAYS
    assert not {case.fault.name for case in asked} & {"store-wiped"}
    assert {case.store for case in played()} == {None}


def test_faults_can_be_left_out() -> None:
    found = {c.fault.name for c in played("--without", "zombie", "--without", "outage-all")}
    assert found == ALWAYS - {"zombie", "outage-all"}


def test_the_version_is_part_of_the_round() -> None:
    (case, *_) = played("--kafka", "4.4.0", "--fault", "zombie", "--seed", "7")
    assert (case.kafka, case.seed) == ("4.4.0", "7:1")
    assert str(case).endswith("seed 7:1 kafka 4.4.0")
    assert played()[0].kafka == jars.version()
