"""Reasons that prevent a worker from starting, or stop it: exit code and message."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from consumer.__main__ import main
from consumer.errors import ScoringBugError
from consumer.kafka.watchdog import Watchdog
from consumer.session.session import Session
from consumer.settings.settings import Settings
from consumer.telemetry.health import Loop
from consumer.telemetry.metrics import Metrics
from consumer.worker.assembly import make_worker
from consumer.worker.worker import Batch
from model.history.features import ClaimHistory
from model.scoring.scorer import Assessment, Scorer
from schemas.claim import Claim
from tests.harness.root_logger import same_afterwards
from tests.integration.conftest import NewStage
from tests.integration.outcomes import check, read
from tests.integration.stage import Stage
from tests.integration.traffic import Row, bad, good

pytestmark = pytest.mark.kafka

Ended = tuple[int, str]


def run(stage: Stage, capsys: pytest.CaptureFixture[str], **changes: str) -> Ended:
    """``python -m consumer run`` in this process, for what ends before the first poll."""
    with pytest.MonkeyPatch.context() as patch, same_afterwards():
        for name in [n for n in os.environ if n.startswith("KAFKA_")]:
            patch.delenv(name)
        for name, value in {**stage.environ, **changes}.items():
            patch.setenv(name, value)
        code = main(["run"])
    return code, capsys.readouterr().err


def test_missing_topics(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    for setting in ("CLAIMS_TOPIC", "ALERTS_TOPIC", "DEAD_LETTER_TOPIC"):
        code, said = run(stage, capsys, **{setting: "nowhere"})
        assert code == 4
        assert "error: no topic nowhere at" in said
        assert "python -m consumer topics" in said


def test_a_client_property_that_is_refused(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("KAFKA_NO_SUCH_THING", "KAFKA_FETCH_NO_SUCH", "KAFKA_TRANSACTION_NO_SUCH"):
        code, said = run(stage, capsys, **{name: "1"})
        assert code == 2
        assert name in said


def test_an_altered_model(
    stage: Stage, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "altered"
    shutil.copytree(model_dir, folder)
    file = folder / "model.joblib"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    code, said = run(stage, capsys, MODEL_DIR=str(folder))
    assert code == 3
    assert f"error: MODEL_DIR={folder}" in said
    assert "sha256" in said


def test_the_exit_code_is_that_of_the_process(stage: Stage) -> None:
    worker = stage.worker(DELIVERY="twice")
    assert worker.wait() == 2
    assert worker.log.startswith("error: DELIVERY must be one of")


def test_a_bad_deploy_does_not_drain_the_topic(new_stage: NewStage, scorer: Scorer) -> None:
    stage = new_stage(partitions=1)
    rows = [*good(200), *[bad("wrong type")] * 400, *good(100)]
    sent = stage.send(rows)
    worker = stage.worker(DEAD_LETTER_MAX_CONSECUTIVE="50", BATCH_SIZE="20")
    assert worker.wait() == 6
    assert "error: the last 60 records were all refused" in worker.log
    assert "DEAD_LETTER_MAX_CONSECUTIVE=50" in worker.log
    assert "Traceback" not in worker.log
    found = read(stage)
    (end,) = stage.committed().values()
    assert end == 240
    assert len(found.letters) == 40
    check(found._replace(claims={p: r for p, r in found.claims.items() if r.offset < end}), scorer)
    again = stage.worker(DEAD_LETTER_MAX_CONSECUTIVE="401")
    stage.wait_drained()
    assert again.stop() == 0
    found = read(stage)
    assert len(found.claims) == sent
    check(found, scorer)


def test_a_share_of_bad_records_above_the_budget(stage: Stage) -> None:
    rows = [row for pair in zip(good(300), [bad("no JSON")] * 300, strict=True) for row in pair]
    stage.send(rows)
    worker = stage.worker(DEAD_LETTER_MAX_RATIO="0.4", DEAD_LETTER_WINDOW="100", BATCH_SIZE="25")
    assert worker.wait() == 6
    assert "DEAD_LETTER_MAX_RATIO=0.4" in worker.log
    found = read(stage)
    assert len(found.letters) <= 100
    committed = stage.committed()
    done = [r.place for r in found.claims.values() if r.offset < committed.get(r.partition, 0)]
    assert sorted(found.places().elements()) == sorted(done)


class Raising:
    """A model that raises on one claim, whatever else is in the batch."""

    def __init__(self, scorer: Scorer, claim_id: str) -> None:
        self._scorer = scorer
        self._claim_id = claim_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scorer, name)

    def assess(
        self, claims: Sequence[Claim], histories: Sequence[ClaimHistory] | None = None
    ) -> Assessment:
        if self._claim_id in {claim.claim_id for claim in claims}:
            raise ZeroDivisionError(self._claim_id)
        return self._scorer.assess(claims, histories)


def in_process(settings: Settings, scorer: Any) -> None:
    """Run a worker here, with a model of the test's."""
    watchdog = Watchdog(settings.step_timeout_s)
    try:
        metrics = Metrics()
        session: Session[Batch] = Session(settings, watchdog, metrics.set_blocked)
        worker = make_worker(settings, session, lambda: scorer, metrics, Loop())
        with session:
            worker.run()
    finally:
        watchdog.close()


def test_a_model_that_raises_stops_the_worker_with_the_record(
    new_stage: NewStage, scorer: Scorer
) -> None:
    stage = new_stage(partitions=1)
    stage.send([Row(b"k", b'{"claim_id": "c%d"}' % n) for n in range(100)])
    with pytest.raises(ScoringBugError, match=rf"{stage.claims}\[0\]@37\.") as why:
        in_process(stage.settings(BATCH_SIZE="1"), Raising(scorer, "c37"))
    assert why.value.exit_code == 7
    found = read(stage)
    assert sorted(alert.claim_id for _, alert, _ in found.alerts) == sorted(
        f"c{n}" for n in range(37)
    )
    assert stage.committed() == {0: 37}
