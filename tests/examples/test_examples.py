"""The programs in examples/ do what they say."""

import sqlite3
from pathlib import Path

import msgspec
import pytest

from examples.open_cases import TABLE, follow, open_cases
from examples.send_claims import send
from examples.train_model import improve
from model.datasets.dataset import load, write_jsonl
from schemas import examples as documented
from schemas.alert import FraudAlert
from tests.broker.read import read_all
from tests.broker.topics import fresh_name
from tests.conftest import NewTopic
from tests.integration.traffic import Row, produce

REFERRED = msgspec.convert(documented.REFERRED, FraudAlert)


def cases(database: sqlite3.Connection) -> list[tuple[str, str | None]]:
    return database.execute("select alert_id, superseded_by from cases order by rowid").fetchall()


@pytest.fixture
def database() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:")
    made.execute(TABLE)
    return made


def test_an_alert_that_is_read_twice_opens_one_case(database: sqlite3.Connection) -> None:
    passed = msgspec.structs.replace(REFERRED, alert_id="a", fraudulent=False)
    assert open_cases(database, [REFERRED, passed, REFERRED]) == 1
    assert open_cases(database, [REFERRED]) == 0
    assert cases(database) == [(REFERRED.alert_id, None)]


def test_an_alert_replaces_only_one_on_the_same_claim(database: sqlite3.Connection) -> None:
    again = msgspec.structs.replace(REFERRED, alert_id="b", supersedes=REFERRED.alert_id)
    other = msgspec.structs.replace(again, alert_id="c", claim_id="another")
    open_cases(database, [REFERRED, other])
    assert cases(database)[0] == (REFERRED.alert_id, None)
    open_cases(database, [again])
    assert cases(database)[0] == (REFERRED.alert_id, "b")


@pytest.mark.slow
def test_a_model_is_replaced_only_by_a_better_one(tmp_path: Path) -> None:
    history, folder = tmp_path / "history.jsonl", tmp_path / "current"
    write_jsonl(load("synthetic", "synthetic", rows=3_000), history)
    assert improve(str(history), folder)
    before = (folder / "manifest.json").read_bytes()
    assert not improve(str(history), folder), "the same history makes the same model"
    assert (folder / "manifest.json").read_bytes() == before


@pytest.mark.kafka
def test_claims_are_sent(kafka: str, new_topic: NewTopic) -> None:
    claims = new_topic("claims", partitions=2)
    lines = [b'{"claim_id": "c-%d", "policy_number": "p-%d"}\n' % (n, n % 3) for n in range(50)]
    assert send(lines, kafka, claims) == 50
    sent = read_all(kafka, claims)
    assert sorted(r.value or b"" for r in sent) == sorted(line.strip() for line in lines)
    assert len({(r.key, r.partition) for r in sent}) == 3
    with pytest.raises(msgspec.ValidationError):
        send([b'{"claim_id": 7}'], kafka, claims)


@pytest.mark.kafka
def test_cases_are_opened_once_whoever_reads_again(kafka: str, new_topic: NewTopic) -> None:
    topic = new_topic("alerts")
    first, second = (msgspec.structs.replace(REFERRED, alert_id=name) for name in ("1", "2"))
    database = sqlite3.connect(":memory:")

    def following(last: FraudAlert, group: str) -> int:
        """Read from the beginning until the last alert has its case."""
        produce(kafka, topic, [Row(b"k", msgspec.json.encode(last))])
        return follow(
            database, kafka, topic, lambda: (last.alert_id, None) in cases(database), group
        )

    assert following(first, fresh_name("group")) == 1
    assert following(second, fresh_name("group")) == 1
    assert cases(database) == [("1", None), ("2", None)]
