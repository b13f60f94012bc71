"""Claims posted with API_FORWARD=claims: in the topic, and scored by a worker, like any other."""

import itertools
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.broker import ports, topics, wait
from tests.broker.native import NativeKafka
from tests.broker.proxy import Proxy
from tests.broker.read import read_all
from tests.deploy import processes
from tests.http.running import Server, running
from tests.integration.stage import Stage
from tests.integration.traffic import good

pytestmark = pytest.mark.kafka

JSON = {"content-type": "application/json"}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CLIENTS = 4


def serving(stage: Stage) -> AbstractContextManager[Server]:
    """The endpoint, forwarding to the topic of the stage."""
    environ = {**stage.environ, "API_FORWARD": "claims", "INSTANCE_ID": "api"}
    return running(Path(environ.pop("MODEL_DIR")), **environ)


def claims(count: int) -> list[bytes]:
    return [row.value or b"" for row in good(count)]


def id_of(claim: bytes) -> str:
    return str(msgspec.json.decode(claim)["claim_id"])


def in_topic(stage: Stage) -> Counter[bytes]:
    return Counter(r.value or b"" for r in read_all(stage.bootstrap, stage.claims))


class Client:
    """Posts claims one after the other until the server is gone; notes the answers of each."""

    def __init__(self, url: str, name: str) -> None:
        self.taken: list[bytes] = []
        self.refused: list[httpx.Response] = []
        self._url, self._name = url, name
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextmanager
    def posting(self) -> Iterator["Client"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            self._thread.join()

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60, headers=JSON) as client:
            for number in itertools.count():
                claim = b'{"claim_id": "%s-%d"}' % (self._name.encode(), number)
                try:
                    found = client.post("/fraud-detection", content=claim)
                except httpx.TransportError:
                    return
                if found.is_success:
                    self.taken.append(claim)
                else:
                    self.refused.append(found)
                if self._stopping.is_set():
                    return


def test_posted_claims_become_alerts_exactly_once(stage: Stage) -> None:
    worker = stage.worker().ready()
    sent = claims(120)
    bad = b'{"claim_id": 7}'
    with serving(stage) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        one = [
            client.post("/fraud-detection", content=c, headers={**JSON, "traceparent": TRACE})
            for c in sent[:20]
        ]
        array = b"[" + b", ".join([*sent[20:], bad]) + b"]"
        many = client.post("/fraud-detection", content=array, headers=JSON)
        refused = client.post("/fraud-detection", content=bad, headers=JSON)
        assert client.get("/readyz").status_code == 200
        metrics = client.get("/metrics").text
        assert server.stop() == 0
    assert {answer.status_code for answer in one} == {200}
    assert all(answer.json().keys() == {"fraudulent", "fraud_probability"} for answer in one)
    assert (refused.status_code, many.status_code) == (422, 200)
    answers = [*(answer.json() for answer in one), *many.json()[:-1]]
    assert many.json()[-1]["status"] == 422
    assert "fraud_scorer_claims_forwarded_total 120.0" in metrics
    assert in_topic(stage) == Counter(sent)
    stage.wait_drained()
    assert worker.stop() == 0
    records = read_all(stage.bootstrap, stage.alerts)
    alerts = [msgspec.json.decode(record.value or b"") for record in records]
    found = {alert["claim_id"]: alert["fraud_probability"] for alert in alerts}
    assert len(alerts) == len(sent)
    assert found == pytest.approx(
        {id_of(c): a["fraud_probability"] for c, a in zip(sent, answers, strict=True)}
    )
    traced = [record for record in records if ("traceparent", TRACE.encode()) in record.headers]
    assert len(traced) == 20
    assert not read_all(stage.bootstrap, stage.dead)


@pytest.mark.parametrize("most", [100_000, 2_000])
def test_a_claim_that_does_not_fit_takes_no_others_with_it(stage: Stage, most: int) -> None:
    name = topics.fresh_name("small")
    topics.create(stage.bootstrap, name, 1, {"max.message.bytes": str(most)})
    stage.environ["CLAIMS_TOPIC"] = name
    stage.environ |= {"KAFKA_BATCH_SIZE": "1000000", "KAFKA_LINGER_MS": "200"}
    # Compression takes half of it at most.
    large = (
        b'{"claim_id": "large", "note": "%s"}' % random.Random(1).randbytes(2 * most).hex().encode()
    )
    sent = claims(20)
    with serving(stage) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        body = b"[" + b", ".join([*sent[:10], large, *sent[10:]]) + b"]"
        many = client.post("/fraud-detection", content=body, headers=JSON).json()
        one = client.post("/fraud-detection", content=large, headers=JSON)
    assert (many[10]["status"], one.status_code) == (413, 413)
    assert all("fraud_probability" in answer for answer in many[:10] + many[11:])
    assert Counter(r.value for r in read_all(stage.bootstrap, name)) == Counter(sent)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_answered_is_in_the_topic_when_the_server_ends(
    stage: Stage, number: signal.Signals
) -> None:
    with serving(stage) as server:
        clients = [Client(server.url, f"c{n}") for n in range(CLIENTS)]
        with clients[0].posting(), clients[1].posting(), clients[2].posting(), clients[3].posting():
            wait.until(lambda: all(len(c.taken) > 20 for c in clients), "answers to all clients")
            server.process.send_signal(number)
            assert server.wait() == (0 if number is signal.SIGTERM else -signal.SIGKILL)
    taken = [claim for client in clients for claim in client.taken]
    found = in_topic(stage)
    assert not [claim for claim in taken if claim not in found]
    assert set(found.values()) == {1}
    unanswered = sum(found.values()) - len(taken)
    assert 0 <= unanswered <= (CLIENTS if number is signal.SIGKILL else 0)


def check_nothing_is_scored(client: httpx.Client, claim: bytes) -> None:
    for body in (claim, b"[" + claim + b"]"):
        answer = client.post("/fraud-detection", content=body, headers=JSON)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.headers["content-type"] == "application/problem+json"
        assert "did not acknowledge" in answer.json()["detail"]
        assert "fraud_probability" not in answer.text
    wait.until(lambda: client.get("/readyz").status_code == 503, "not ready")
    assert client.get("/readyz").text == "Kafka does not answer"
    assert client.get("/healthz").status_code == 200


@pytest.mark.slow
def test_no_score_while_kafka_is_away(
    native: type[NativeKafka], tmp_path: Path, model_dir: Path
) -> None:
    (port,) = ports.free_ports(1)
    with native(advertised=[port]) as kafka, Proxy(port, kafka.node.port) as proxy:
        stage = Stage(kafka.bootstrap, tmp_path, model_dir, 1)
        first, lost, last = claims(3)
        with serving(stage) as server, httpx.Client(base_url=server.url, timeout=60) as client:
            assert client.post("/fraud-detection", content=first, headers=JSON).is_success
            proxy.cut()
            check_nothing_is_scored(client, lost)
            proxy.heal()
            wait.until(lambda: client.get("/readyz").status_code == 200, "ready again")
            assert client.post("/fraud-detection", content=last, headers=JSON).is_success
            assert in_topic(stage) == Counter([first, last])
            kafka.kill()
            check_nothing_is_scored(client, lost)
            assert server.stop() == 0


def test_it_does_not_start_without_the_topic(kafka: str, model_dir: Path) -> None:
    env = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "CLAIMS_TOPIC": "never-created",
        "API_FORWARD": "claims",
        "API_PORT": "0",
        "MODEL_DIR": str(model_dir),
    }
    done = processes.run("serve", env=env)
    assert done.returncode == 4, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: no topic never-created")
