"""Every expression in rules and dashboards, asked of a real Prometheus over running processes."""

import base64
import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import Final

import msgspec
import pytest
import yaml

from schemas.outcome import Finding, FraudOutcome
from tests.broker import topics, wait
from tests.broker.ports import free_ports
from tests.broker.read import read_all
from tests.deploy import processes
from tests.deploy.rules import RULES, Expression, expressions
from tests.deploy.tools import need

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

# Twice as many are more than a window of drift.
CLAIMS: Final = 6_000
BROKEN_EVERY: Final = 20
TOPICS: Final = (
    "CLAIMS", "ALERTS", "DEAD_LETTER", "OUTCOMES", "OUTCOMES_DEAD_LETTER", "MEMORY",
)  # fmt: skip
PENDING: Final[set[str]] = set()
"""TODO: metrics that rules and dashboards ask for and no process reports yet. Only to shrink."""

QUIET: Final = {"fraud_scorer_open_transaction_seconds"}
"""Metrics without a series while nothing is wrong: their labels say what is."""

DONE = [e for e in expressions() if not e.metrics & (PENDING | QUIET)]


@pytest.fixture(scope="module")
def scraped(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Prometheus over worker, HTTP endpoint and outcomes, once all have done some work."""
    need("prometheus", "Prometheus")
    folder = tmp_path_factory.mktemp("scraped")
    model = processes.train(folder / "model")
    worker, api, outcomes, port = free_ports(4)
    env = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        **{
            f"{name}_TOPIC": topics.fresh_name(name.lower().replace("_", "-"))
            for name in (
                "CLAIMS",
                "ALERTS",
                "DEAD_LETTER",
                "OUTCOMES",
                "OUTCOMES_DEAD_LETTER",
                "MEMORY",
            )
        },
        "CONSUMER_GROUP": topics.fresh_name("group"),
        "MODEL_DIR": str(model),
        "SHADOW_MODEL_DIR": str(model),
        "CONTROL_SHARE": "0.1",
        "REFERRAL_CAPACITY": "40",
        "MEMORY": "on",
        "MEMORY_STORE": str(folder / "stores"),
        "MEMORY_KEY_FILE": str(folder / "memory.key"),
    }
    (folder / "memory.key").write_bytes(base64.b64encode(bytes(32)))
    made = processes.run("topics", "--partitions", "2", env=env)
    assert made.returncode == 0, made.stderr
    jobs = {"worker": worker, "api": api, "outcomes": outcomes}
    with contextlib.ExitStack() as stack:
        start = stack.enter_context
        ports = {"METRICS_PORT": str(worker)}
        start(processes.scorer("run", {**env, **ports}, folder / "worker.log", worker))
        ports = {"API_PORT": str(api), "API_FORWARD": "claims"}
        start(processes.scorer("serve", {**env, **ports}, folder / "api.log", api))
        ports = {"METRICS_PORT": str(outcomes)}
        start(processes.scorer("outcomes", {**env, **ports}, folder / "outcomes.log", outcomes))
        address = start(processes.prometheus(configuration(jobs), folder, port))
        # Rates need two scrapes with work between them.
        work(kafka, env, api)
        wait.until(lambda: processes.query(address, "fraud_scorer:claims_consumed:rate1m"), "rates")
        work(kafka, env, api)
        yield address


def worker_metrics(address: str) -> str:
    """Where Prometheus scrapes the worker."""
    found = msgspec.json.decode(processes.get(f"{address}/api/v1/targets"))
    targets = found["data"]["activeTargets"]
    (url,) = (t["scrapeUrl"] for t in targets if t["labels"]["job"] == "fraud-scorer-worker")
    return str(url)


def configuration(jobs: dict[str, int]) -> str:
    """The stack's rules, with fixed addresses and short intervals."""
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in RULES],
            "scrape_configs": [
                {
                    "job_name": f"fraud-scorer-{name}",
                    "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
                }
                for name, port in jobs.items()
            ],
        }
    )


def work(kafka: str, env: dict[str, str], api: int) -> None:
    """Claims over Kafka and HTTP, and findings on the claims that were scored."""
    sent = processes.run(
        "generate", "--rate", "0", "--claims", str(CLAIMS), "--broken-every", str(BROKEN_EVERY),
        env=env,
    )  # fmt: skip
    assert sent.returncode == 0, sent.stderr
    processes.post(f"http://127.0.0.1:{api}/fraud-detection", b'{"claim_id": "c-1"}')
    scored = CLAIMS - CLAIMS // BROKEN_EVERY
    alerts = wait.until(lambda: enough(kafka, env["ALERTS_TOPIC"], scored), "the alerts")
    topics.fill(kafka, env["OUTCOMES_TOPIC"], ((None, finding(value)) for value in alerts))


def enough(kafka: str, topic: str, count: int) -> list[bytes]:
    values = [row.value for row in read_all(kafka, topic) if row.value is not None]
    return values if len(values) >= count else []


def finding(alert: bytes) -> bytes:
    claim = msgspec.json.decode(alert)["claim_id"]
    return msgspec.json.encode(
        FraudOutcome(
            claim_id=claim,
            outcome=Finding.FRAUD if claim[-1] in "02468" else Finding.NOT_FRAUD,
            decided_at=dt.datetime.now(dt.UTC),
        )
    )


@pytest.mark.parametrize("expression", DONE, ids=[e.place for e in DONE])
def test_an_expression_answers(scraped: str, expression: Expression) -> None:
    assert wait.until(lambda: processes.query(scraped, expression.answer), expression.answer)


@pytest.mark.parametrize("metric", sorted(PENDING))
def test_what_is_pending_is_asked_for_and_not_reported_yet(scraped: str, metric: str) -> None:
    assert any(metric in e.metrics for e in expressions())
    assert not processes.query(scraped, metric), f"{metric} is there: take it off PENDING"


@pytest.mark.parametrize("metric", sorted(QUIET))
def test_what_is_quiet_has_no_series_while_nothing_is_wrong(scraped: str, metric: str) -> None:
    assert any(metric in e.metrics for e in expressions())
    assert f"# TYPE {metric} gauge" in processes.get(worker_metrics(scraped)).decode()
    assert not processes.query(scraped, metric)


def test_a_metric_nobody_reports_would_be_found(scraped: str) -> None:
    assert processes.query(scraped, "fraud_scorer_no_such_metric > bool 1") == []


def test_every_job_is_up(scraped: str) -> None:
    up = {row["metric"]["job"]: row["value"][1] for row in processes.query(scraped, "up")}
    assert up == dict.fromkeys(
        ("fraud-scorer-worker", "fraud-scorer-api", "fraud-scorer-outcomes"), "1"
    )


def test_the_recording_rules_have_no_fault(scraped: str) -> None:
    answer = msgspec.json.decode(processes.get(f"{scraped}/api/v1/rules"))
    groups = answer["data"]["groups"]
    faults = {r["name"]: r["lastError"] for g in groups for r in g["rules"] if r.get("lastError")}
    assert groups
    assert faults == {}
