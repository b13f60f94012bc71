"""Motor claims of several years, what was found about them, and workers that remember."""

import base64
import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from consumer.batch.recalled import Recalled, entity_histories
from consumer.memory.log import log_fact
from consumer.memory.view import Asked
from model.__main__ import main
from model.arrays import Scores
from model.history.facts import claim_ref, start_of_day
from model.history.plan import Bounds, kinds_in
from model.samples import motor
from model.scoring.scorer import Scorer
from schemas.alert import EntityHistory, FraudAlert, LinkedClaim, MemoryStatus
from schemas.contract.parse import shipped
from schemas.memory import RememberedClaim
from schemas.outcome import Finding, FraudOutcome
from tests.broker.read import Record, read_all
from tests.consumer.memory.dict_view import DictView
from tests.harness.outcomes import Place
from tests.integration.stage import Stage
from tests.integration.traffic import Row, produce

History = tuple[EntityHistory, ...]
Scored = tuple[Place, FraudAlert, Any]
MOTOR: Final = shipped("motor")
SECRET: Final = bytes(range(32))
TRAIN: Final = (
    "train --data synthetic --contract motor --rows 3000 --seed 9 --history --split time "
    "--algorithm gradient_boosting --alert-share 0.1"
)


def train(folder: Path, *, history: bool = True) -> Path:
    """A model of motor claims that asks for their history, or not."""
    asked = TRAIN if history else TRAIN.replace("--history ", "")
    assert main([*asked.split(), "--output", str(folder)]) == 0
    return folder


def remembering(stage: Stage, model: Path) -> dict[str, str]:
    """Settings of workers that remember, on topics that keep old claims."""
    key = stage.folder / "memory.key"
    key.write_bytes(base64.b64encode(SECRET))
    stage.environ |= {
        "MODEL_DIR": str(model),
        "MEMORY": "on",
        "MEMORY_TOPIC": f"{stage.claims}.memory",
        "MEMORY_STORE": str(stage.folder / "stores"),
        "MEMORY_KEY_FILE": str(key),
    }
    return stage.environ


def keep_everything(stage: Stage, *names: str) -> None:
    """Have the brokers keep records whatever their timestamps."""
    admin = AdminClient({"bootstrap.servers": stage.bootstrap})
    changes = [
        ConfigResource(
            ResourceType.TOPIC,
            name,
            incremental_configs=[
                ConfigEntry("retention.ms", "-1", incremental_operation=AlterConfigOpType.SET)
            ],
        )
        for name in names
    ]
    for answer in admin.incremental_alter_configs(changes).values():
        answer.result(60)


@cache
def events(count: int, seed: int) -> Sequence[dict[str, Any]]:
    """Claims in the order in which they came in."""
    return sorted(motor.generate(count, seed), key=lambda event: str(event["reported_on"]))


def claims(found: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Their records, without what was found later."""
    return [
        Row(
            str(event["policy_no"]).encode(),
            json.dumps({n: v for n, v in event.items() if n != "outcome"}).encode(),
            at_ms=_noon(event["reported_on"]),
        )
        for event in found
    ]


def findings(found: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Records of what was found about those that were investigated."""
    words = {"fraud": Finding.FRAUD, "cleared": Finding.NOT_FRAUD}
    return [
        Row(
            None,
            msgspec.json.encode(
                FraudOutcome(claim_id=event["claim_no"], outcome=words[event["outcome"]["finding"]])
            ),
            at_ms=_noon(event["outcome"]["decided"]),
        )
        for event in found
        if event["outcome"].get("decided") and event["outcome"]["finding"] in words
    ]


def _noon(day: str) -> int:
    return int(dt.datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp() * 1_000)


def send(stage: Stage, topic: str, rows: Sequence[Row], partition: int = -1) -> None:
    assert produce(stage.bootstrap, topic, rows, partition) == len(rows)


def log_of(stage: Stage) -> list[Record]:
    """What is committed in the log."""
    return read_all(stage.bootstrap, stage.environ["MEMORY_TOPIC"])


class Replay:
    """The whole log in dictionaries: what every claim may have seen, and no more.

    Args:
        log: all of it.
    """

    def __init__(self, log: Sequence[Record]) -> None:
        self._kinds = kinds_in(MOTOR)
        self._view = DictView(self._kinds, Bounds())
        self._view.apply([log_fact(row.key, row.value) for row in log], {})
        self._keys = {
            (key.topic, key.partition, key.offset): self._view.keys(fact)
            for key, fact in self._view.facts.items()
            if isinstance(fact, RememberedClaim)
        }

    def scores(
        self, scorer: Scorer, events: Sequence[Mapping[str, Any]], records: Sequence[Scored]
    ) -> Scores:
        """What a model with history says of the claims of these alerts.

        Args:
            scorer: the model.
            events: the claims.
            records: place, alert and record of each.
        """
        days = {event["claim_no"]: _noon(event["reported_on"]) for event in events}
        sent = dict(zip((event["claim_no"] for event in events), claims(events), strict=True))
        asked, found = [], []
        for place, alert, _ in records:
            as_of = start_of_day(days[alert.claim_id])
            asked.append(Asked(claim_ref(alert.claim_id), self._keys[place], as_of))
            found.append(scorer.decoder.decode(sent[alert.claim_id].value))
        return scorer.score(found, self._view.histories(asked, {}))

    def histories(self, alerts: Sequence[tuple[Place, FraudAlert]]) -> list[History]:
        """What each alert would say, had its worker known everything."""
        asked = []
        for place, alert in alerts:
            assert isinstance(alert.memory, MemoryStatus)
            as_of = int(alert.memory.as_of.timestamp() * 1_000)
            asked.append(Asked(claim_ref(alert.claim_id), self._keys[place], as_of))
        found = self._view.histories(asked, {})
        moments = [one.as_of for one in asked]
        return entity_histories(Recalled(self._kinds, found, moments, 0, lambda _: {}))


def history_of(alert: FraudAlert) -> History:
    """What an alert says was known."""
    assert isinstance(alert.history, tuple)
    return alert.history


def links_of(alert: FraudAlert) -> Sequence[LinkedClaim]:
    """Earlier claims that an alert names."""
    assert isinstance(alert.links, tuple)
    return alert.links
