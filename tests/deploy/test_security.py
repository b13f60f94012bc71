"""TLS, SCRAM, mTLS and access rules on a real broker; secrets that stay secret."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from consumer.doctor.asked import AskedGroup, ask_group
from schemas.claim import Claim
from tests.broker import ports, topics, wait
from tests.broker.native import NativeKafka
from tests.broker.read import read_all
from tests.deploy import processes
from tests.deploy.rights import documented, of_group
from tests.deploy.secured import Right, Secured, secured
from tests.deploy.tools import need
from tests.harness import process

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

PASSWORD = "open-sesame-7291"
PASSPHRASE = "key-phrase-5530"
TOPICS = (
    "claims",
    "fraud-alerts",
    "claims-dead-letter",
    "fraud-outcomes",
    "outcomes-dead-letter",
)
RIGHTS = documented()
DENIED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}
NEVER_KNOWN = {"transactional id rights", "clock"}
NAMES: Final = {
    AclOperation.READ: "Read",
    AclOperation.WRITE: "Write",
    AclOperation.DESCRIBE: "Describe",
    AclOperation.DESCRIBE_CONFIGS: "DescribeConfigs",
}
"""As Kafka's own documentation spells them."""
Env = dict[str, str]


@pytest.fixture(scope="module")
def broker(
    native: type[NativeKafka], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Secured]:
    need("openssl", "OpenSSL")
    with secured(native, tmp_path_factory.mktemp("certificates")) as made:
        yield made


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return processes.train(tmp_path_factory.mktemp("trained") / "model")


@pytest.fixture(scope="module")
def filled(broker: Secured) -> Secured:
    """The topics exist, with claims and one record that is none."""
    for topic in TOPICS:
        topics.create(broker.admin_address, topic, 2)
    rows = [(b"k", msgspec.json.encode(Claim(claim_id=f"c-{i}"))) for i in range(20)]
    topics.fill(broker.admin_address, "claims", [*rows, (b"k", b"{")], partitions=2)
    return broker


def by_password(broker: Secured, folder: Path, name: str) -> Env:
    """The environment of a command that connects by SCRAM; its user is made here."""
    broker.user(name, PASSWORD)
    (folder / "user").write_text(f"{name}\n")
    (folder / "password").write_text(f"{PASSWORD}\n")
    return {
        "KAFKA_BOOTSTRAP_SERVERS": broker.scram,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SSL_CA_LOCATION": str(broker.certificates.authority),
        "KAFKA_SASL_USERNAME_FILE": str(folder / "user"),
        "KAFKA_SASL_PASSWORD_FILE": str(folder / "password"),
    }


def by_certificate(broker: Secured, folder: Path, name: str) -> Env:
    """The environment of a command that connects by mTLS."""
    certificate, key = broker.certificates.sign(name, PASSPHRASE)
    (folder / "phrase").write_text(f"{PASSPHRASE}\n")
    return {
        "KAFKA_BOOTSTRAP_SERVERS": broker.mtls,
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_SSL_CA_LOCATION": str(broker.certificates.authority),
        "KAFKA_SSL_CERTIFICATE_LOCATION": str(certificate),
        "KAFKA_SSL_KEY_LOCATION": str(key),
        "KAFKA_SSL_KEY_PASSWORD_FILE": str(folder / "phrase"),
    }


EXPECTED: Final = {
    ResourceType.GROUP: "CONSUMER_GROUP",
    ResourceType.TRANSACTIONAL_ID: "CONSUMER_GROUP/INSTANCE_ID",
}
"""Names of resources other than topics in messages."""


def as_worker(name: str, model: Path, port: int) -> Env:
    """A worker in its own group."""
    return {
        "CONSUMER_GROUP": name,
        "INSTANCE_ID": "1",
        "MODEL_DIR": str(model),
        "METRICS_PORT": str(port),
    }


def alerts(broker: Secured) -> int:
    return len(read_all(broker.admin_address, "fraud-alerts"))


def scraped(port: int) -> str:
    return processes.get(f"http://127.0.0.1:{port}/metrics").decode()


@pytest.mark.parametrize("connect", [by_password, by_certificate])
def test_a_worker_does_its_work_with_the_documented_rights(
    filled: Secured,
    model: Path,
    tmp_path: Path,
    connect: Callable[[Secured, Path, str], Env],
) -> None:
    name = connect.__name__.replace("_", "-")
    (port,) = ports.free_ports(1)
    env = {
        **connect(filled, tmp_path, name),
        **as_worker(name, model, port),
        "LOG_LEVEL": "DEBUG",
        "KAFKA_DEBUG": "conf,security,broker",
    }
    filled.allow(name, of_group(RIGHTS["run"], name))
    before = alerts(filled)
    with processes.scorer("run", env, tmp_path / "worker.log", port) as worker:
        wait.until(lambda: alerts(filled) == before + 20, "20 alerts")
        # Also the group's state is asked for with these rights.
        wait.until(lambda: 'partitions{topic="claims"} 0.0' in scraped(port), "all are owned")
        metrics = scraped(port)
        assert worker.stop() == 0, worker.log
    assert "scoring claims" in worker.log
    assert "fraud_scorer_claims_scored_total 20.0" in metrics
    for secret in (PASSWORD, PASSPHRASE):
        assert secret not in worker.log
        assert secret not in metrics


@pytest.mark.parametrize("missing", RIGHTS["run"], ids=lambda right: right.name)
def test_a_missing_right_stops_the_worker_and_is_named(
    filled: Secured, model: Path, tmp_path: Path, missing: Right
) -> None:
    name = topics.fresh_name("poor")
    (port,) = ports.free_ports(1)
    kept = [right for right in RIGHTS["run"] if right != missing]
    filled.allow(name, of_group(kept, name))
    env = {**by_password(filled, tmp_path, name), **as_worker(name, model, port)}
    done = processes.run("run", env=env)
    assert done.returncode == 4, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert EXPECTED.get(missing.kind, missing.name) in last
    assert "right" in last or "may not" in last


def remembering(folder: Path) -> Env:
    """Settings of processes that remember."""
    key = folder / "memory.key"
    key.write_bytes(base64.b64encode(bytes(32)))
    return {"MEMORY": "on", "MEMORY_KEY_FILE": str(key), "MEMORY_STORE": str(folder / "stores")}


REMEMBERING: Final = [
    (command, right)
    for command in ("run", "outcomes", "serve")
    for right in RIGHTS[f"{command} with memory"]
]


def test_claims_are_remembered_with_the_documented_rights(
    filled: Secured, model: Path, tmp_path: Path
) -> None:
    filled.allow("maker", [*RIGHTS["topics"], *RIGHTS["topics with memory"]])
    made = {**by_password(filled, tmp_path, "maker"), **remembering(tmp_path)}
    succeeds("topics", "--partitions", "2", env=made)
    for command in ("run", "outcomes", "serve"):
        name = topics.fresh_name("mindful")
        (port,) = ports.free_ports(1)
        env = {**by_password(filled, tmp_path, name), **remembering(tmp_path)}
        env |= {**as_worker(name, model, port), "API_PORT": str(port)}
        filled.allow(name, of_group([*RIGHTS[command], *RIGHTS[f"{command} with memory"]], name))
        with processes.scorer(command, env, tmp_path / f"{command}.log", port) as process:
            if command == "run":
                wait.until(lambda: process.check() and noted(filled), "claims in the log")
            assert process.stop() == 0, process.log


def make_log(broker: Secured) -> None:
    """Make the topic of what is remembered, if it is not there."""
    admin = AdminClient({"bootstrap.servers": broker.admin_address})
    if "claims-memory" not in admin.list_topics(timeout=60).topics:
        topics.create(broker.admin_address, "claims-memory", 2, {"cleanup.policy": "compact"})


def noted(broker: Secured) -> int:
    return len(read_all(broker.admin_address, "claims-memory"))


@pytest.mark.parametrize(("command", "missing"), REMEMBERING, ids=str)
def test_a_missing_right_to_remember_is_named(
    filled: Secured, model: Path, tmp_path: Path, command: str, missing: Right
) -> None:
    make_log(filled)
    name = topics.fresh_name("poor")
    (port,) = ports.free_ports(1)
    granted = [*RIGHTS[command], *RIGHTS[f"{command} with memory"]]
    filled.allow(name, of_group([right for right in granted if right != missing], name))
    env = {**by_password(filled, tmp_path, name), **remembering(tmp_path)}
    done = processes.run(command, env={**env, **as_worker(name, model, port), "API_PORT": "0"})
    assert done.returncode == 4, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert "claims-memory" in last
    assert "right" in last or "may not" in last


PHONE: Final = "+44 20 7946 0123"
ASKING: Final[dict[str, tuple[str, ...]]] = {
    "remember": ("--contract", "auto", "--data", "claims.jsonl"),
    "entity": ("--phone", PHONE),
    "memory": ("rebuild",),
    "check-history": (),
    "forget": ("--yes", "--claim"),
}
"""The other commands of what is remembered, in an order in which each has something to do."""


@pytest.fixture(scope="module")
def store(filled: Secured, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Env:
    """Settings with which a worker has filled its store, and a claim was remembered."""
    make_log(filled)
    name, folder = topics.fresh_name("kept"), tmp_path_factory.mktemp("kept")
    (port,) = ports.free_ports(1)
    own = {**remembering(folder), **as_worker(name, model, port)}
    rights = [*RIGHTS["run"], *RIGHTS["run with memory"], *RIGHTS["remember"]]
    filled.allow(name, of_group([*dict.fromkeys(rights)], name))
    env = {**by_password(filled, folder, name), **own}
    with processes.scorer("run", env, folder / "worker.log", port) as worker:
        assert worker.stop() == 0, worker.log
    succeeds(*arguments_of("remember", folder, "kept"), env=env)
    return {**own, "METRICS_PORT": "0"}


def arguments_of(command: str, folder: Path, about: str) -> list[str]:
    """The command, about this claim; with a file in the folder if it reads one."""
    claim = {"claim_id": about, "report_date": "2024-05-06", "claimant_phone": PHONE}
    file = folder / "claims.jsonl"
    file.write_bytes(msgspec.json.encode(claim) + b"\n")
    given = [str(file) if one == file.name else one for one in ASKING[command]]
    return [command, *given, *([about] if command == "forget" else [])]


def test_what_is_remembered_is_kept_with_the_documented_rights(
    filled: Secured, store: Env, tmp_path: Path
) -> None:
    found = {}
    for command in ASKING:
        name = topics.fresh_name("keeper")
        filled.allow(name, of_group(RIGHTS[command], store["CONSUMER_GROUP"]))
        env = {**by_password(filled, tmp_path, name), **store}
        found[command] = succeeds(*arguments_of(command, tmp_path, "old"), env=env)
    assert "old" in found["entity"].stdout
    assert "1 " in found["forget"].stderr


@pytest.mark.parametrize(
    ("command", "missing"),
    [(command, right) for command in ASKING for right in RIGHTS[command]],
    ids=str,
)
def test_a_missing_right_to_keep_what_is_remembered_is_named(
    filled: Secured, store: Env, tmp_path: Path, command: str, missing: Right
) -> None:
    name = topics.fresh_name("poor")
    rights = [right for right in RIGHTS[command] if right != missing]
    filled.allow(name, of_group(rights, store["CONSUMER_GROUP"]))
    env = {**by_password(filled, tmp_path, name), **store}
    done = processes.run(*arguments_of(command, tmp_path, "kept"), env=env)
    assert done.returncode == 4, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert EXPECTED.get(missing.kind, missing.name) in last
    assert "right" in last or "may not" in last


@pytest.mark.postgres
def test_a_database_is_filled_with_the_documented_rights(
    filled: Secured, model: Path, tmp_path: Path, own_database: str
) -> None:
    make_log(filled)
    name = topics.fresh_name("filler")
    (port,) = ports.free_ports(1)
    filled.allow(name, of_group(RIGHTS["memory apply"], name))
    env = as_filler(filled, tmp_path, name, own_database)
    command = process.module("consumer", "memory", "apply")
    ready = f"http://127.0.0.1:{port}/readyz"
    env |= as_worker(name, model, port)
    with processes.going(command, env, tmp_path / "apply.log", ready) as filling:
        assert filling.stop() == 0, filling.log


@pytest.mark.postgres
@pytest.mark.parametrize("missing", RIGHTS["memory apply"], ids=str)
def test_a_missing_right_to_fill_a_database_is_named(
    filled: Secured, model: Path, tmp_path: Path, own_database: str, missing: Right
) -> None:
    make_log(filled)
    name = topics.fresh_name("poor")
    rights = [right for right in RIGHTS["memory apply"] if right != missing]
    filled.allow(name, of_group(rights, name))
    env = as_filler(filled, tmp_path, name, own_database)
    done = processes.run("memory", "apply", env={**env, **as_worker(name, model, 0)})
    assert done.returncode == 4, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert EXPECTED.get(missing.kind, missing.name) in last
    assert "right" in last or "may not" in last


def as_filler(broker: Secured, folder: Path, name: str, database: str) -> Env:
    """The environment of a command that fills a database."""
    return {
        **by_password(broker, folder, name),
        **remembering(folder),
        "MEMORY_STORE": database,
    }


def test_the_other_commands_do_their_work_with_the_documented_rights(
    filled: Secured, tmp_path: Path
) -> None:
    for command in ("topics", "redrive", "generate"):
        filled.allow(command, RIGHTS[command])
    topics.fill(filled.admin_address, "claims-dead-letter", [(b"k", b"no dead letter")])
    env = by_password(filled, tmp_path, "redrive")
    assert succeeds("redrive", env=env).stderr.splitlines()[-1].endswith(", 1 kept")
    env = by_password(filled, tmp_path, "generate")
    sent = succeeds("generate", "--claims", "10", "--rate", "0", env=env)
    assert "10 claims sent" in sent.stdout
    env = by_password(filled, tmp_path, "topics")
    made = succeeds("topics", env=env)
    assert made.stdout.count("already exists, left unchanged") == len(TOPICS)


def lacking() -> Iterator[tuple[str, Right, tuple[str, ...]]]:
    """Each right of each other command, with the arguments of a run that needs it."""
    arguments = {"generate": ("--claims", "1")}
    for command in ("redrive", "outcomes", "topics", "generate"):
        for right in RIGHTS[command]:
            yield command, right, arguments.get(command, ())
    for right in RIGHTS["redrive"]:
        if right.operation is AclOperation.READ:
            yield "redrive", right, ("--dry-run",)


@pytest.mark.parametrize(("command", "missing", "arguments"), list(lacking()), ids=str)
def test_a_missing_right_ends_the_command_and_is_named(
    filled: Secured, tmp_path: Path, command: str, missing: Right, arguments: tuple[str, ...]
) -> None:
    name = topics.fresh_name("poor")
    filled.allow(name, of_group([r for r in RIGHTS[command] if r != missing], name))
    topics.fill(filled.admin_address, "claims-dead-letter", [(b"k", b"no dead letter")])
    (port,) = ports.free_ports(1)
    env = {**by_password(filled, tmp_path, name), "CONSUMER_GROUP": name, "METRICS_PORT": str(port)}
    done = processes.run(command, *arguments, env=env)
    assert done.returncode == 4, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert EXPECTED.get(missing.kind, missing.name) in last
    assert "right" in last or "may not" in last


@pytest.mark.parametrize("arguments", [("redrive",), ("redrive", "--dry-run")], ids=str)
def test_a_redrive_with_a_wrong_password_says_so(
    filled: Secured, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    env = by_password(filled, tmp_path, "mistaken")
    (tmp_path / "password").write_text("wrong-4711")
    done = processes.run(*arguments, env=env)
    assert done.returncode == 4, done.stderr
    last = done.stderr.splitlines()[-1]
    assert "uthentication" in last
    assert filled.scram in last
    assert "wrong-4711" not in done.stderr


def succeeds(*arguments: str, env: Env) -> processes.Done:
    done = processes.run(*arguments, env=env)
    assert done.returncode == 0, done.stderr
    return done


def test_outcomes_are_followed_with_the_documented_rights(filled: Secured, tmp_path: Path) -> None:
    filled.allow("outcomes", RIGHTS["outcomes"])
    (port,) = ports.free_ports(1)
    env = {**by_password(filled, tmp_path, "outcomes"), "METRICS_PORT": str(port)}
    with processes.scorer("outcomes", env, tmp_path / "outcomes.log", port) as process:
        assert process.stop() == 0, process.log


def as_intake(model: Path, port: int) -> Env:
    return {"API_FORWARD": "claims", "MODEL_DIR": str(model), "API_PORT": str(port)}


def test_posted_claims_are_forwarded_with_the_documented_right(
    filled: Secured, model: Path, tmp_path: Path
) -> None:
    name = topics.fresh_name("intake")
    filled.allow(name, RIGHTS["serve"])
    (port,) = ports.free_ports(1)
    env = {**by_password(filled, tmp_path, name), **as_intake(model, port)}
    with processes.scorer("serve", env, tmp_path / "api.log", port) as process:
        body = b'{"claim_id": "%s"}' % name.encode()
        processes.post(f"http://127.0.0.1:{port}/fraud-detection", body)
        assert process.stop() == 0, process.log
    assert body in [record.value for record in read_all(filled.admin_address, "claims")]


@pytest.mark.parametrize("granted", [(), (AclOperation.READ,)], ids=["none", "read"])
def test_an_intake_without_the_right_does_not_start(
    filled: Secured, model: Path, tmp_path: Path, granted: tuple[AclOperation, ...]
) -> None:
    name = topics.fresh_name("poor")
    filled.allow(name, [Right(ResourceType.TOPIC, "claims", operation) for operation in granted])
    env = {**by_password(filled, tmp_path, name), **as_intake(model, 0)}
    done = processes.run("serve", env=env)
    assert done.returncode == 4, done.stderr
    last = done.stderr.splitlines()[-1]
    assert "claims" in last
    assert "right" in last


class TestDoctor:
    @pytest.fixture
    def principal(self, filled: Secured, tmp_path: Path) -> tuple[str, Env]:
        """One with a worker's rights, on a cluster that has had a group and a transaction."""
        name = topics.fresh_name("doctor")
        env = {**by_password(filled, tmp_path, name), "CONSUMER_GROUP": name, "INSTANCE_ID": "1"}
        filled.allow(name, of_group(RIGHTS["run"], name))
        Producer(
            {"bootstrap.servers": filled.admin_address, "transactional.id": name}
        ).init_transactions(60)
        admin = AdminClient({"bootstrap.servers": filled.admin_address})
        wait.until(
            lambda: isinstance(ask_group(admin, name), AskedGroup), "the coordinator of groups"
        )
        return name, {**env, "METRICS_PORT": "0", "API_PORT": "0"}

    def findings(self, env: Env, model: Path) -> tuple[int, list[dict[str, str]]]:
        done = processes.run("doctor", "--json", env={**env, "MODEL_DIR": str(model)})
        return done.returncode, [msgspec.json.decode(line) for line in done.stdout.splitlines()]

    def states(self, env: Env, model: Path) -> tuple[int, dict[str, str]]:
        code, found = self.findings(env, model)
        return code, {f["check"]: f["state"] for f in found}

    def test_it_knows_all_with_the_documented_rights(
        self, filled: Secured, model: Path, principal: tuple[str, Env]
    ) -> None:
        name, env = principal
        filled.allow(name, RIGHTS["doctor"])
        code, states = self.states(env, model)
        assert code == 1  # one node
        assert {c for c, s in states.items() if s == "unknown"} == NEVER_KNOWN

    def test_with_a_workers_rights_it_says_what_it_does_not_know(
        self, model: Path, principal: tuple[str, Env]
    ) -> None:
        _, env = principal
        code, states = self.states(env, model)
        assert code == 1
        own = {right.name for right in RIGHTS["doctor"] if right.kind is ResourceType.TOPIC}
        assert own == {*TOPICS, "__consumer_offsets", "__transaction_state"}
        retention = {f"{name} retention" for name in TOPICS[:3]}
        others = {"max.message.bytes", "broker settings"}
        unknown = {check for check, state in states.items() if state == "unknown"}
        assert unknown == NEVER_KNOWN | own | retention | others
        assert "wrong" not in states.values()

    def test_the_right_of_an_intake_is_not_a_workers(
        self, filled: Secured, model: Path, principal: tuple[str, Env]
    ) -> None:
        name, env = principal
        env = {**env, "API_FORWARD": "claims"}
        code, states = self.states(env, model)
        assert (code, states["API_FORWARD"], states["claims rights"]) == (4, "wrong", "ok")
        filled.allow(name, RIGHTS["serve"])
        code, states = self.states(env, model)
        assert (code, states["API_FORWARD"]) == (1, "ok")

    @pytest.mark.parametrize("missing", RIGHTS["doctor"], ids=lambda r: f"{r.name}-{r.operation}")
    def test_a_right_of_its_own_that_is_missing_is_named(
        self, missing: Right, filled: Secured, model: Path, principal: tuple[str, Env]
    ) -> None:
        name, env = principal
        filled.allow(name, [right for right in RIGHTS["doctor"] if right != missing])
        code, found = self.findings(env, model)
        assert code == 1  # it is not a worker's
        unknown = [f for f in found if f["state"] == "unknown" and f["check"] not in NEVER_KNOWN]
        assert unknown
        word = NAMES[missing.operation]
        where = "the cluster" if missing.kind is ResourceType.BROKER else missing.name
        for finding in unknown:
            assert f"grant this principal {word} on {where}" in finding["advice"], finding

    @pytest.mark.parametrize(
        "missing",
        [right for right in RIGHTS["run"] if right.kind is not ResourceType.TRANSACTIONAL_ID],
        ids=lambda r: f"{r.name}-{r.operation}",
    )
    def test_a_right_of_a_worker_that_is_missing_is_named(
        self, missing: Right, filled: Secured, model: Path, tmp_path: Path
    ) -> None:
        """Nothing else is wrong then, and the exit code is the worker's."""
        name = topics.fresh_name("doctor")
        kept = [right for right in RIGHTS["run"] if right != missing]
        filled.allow(name, of_group([*kept, *RIGHTS["doctor"]], name))
        env = {**by_password(filled, tmp_path, name), "CONSUMER_GROUP": name, "INSTANCE_ID": "1"}
        code, found = self.findings({**env, "METRICS_PORT": "0", "API_PORT": "0"}, model)
        assert code == 4
        (wrong,) = [f for f in found if f["state"] == "wrong"]
        where = f"group {name}" if missing.kind is ResourceType.GROUP else missing.name
        assert where in wrong["check"]
        assert f"this principal may not {NAMES[missing.operation]}" in wrong["text"]
        assert f"grant this principal {NAMES[missing.operation]} on {where}" in wrong["advice"]

    @pytest.mark.parametrize("granted", [AclOperation.READ, AclOperation.WRITE])
    def test_a_right_that_a_worker_lacks(
        self, granted: AclOperation, filled: Secured, model: Path, tmp_path: Path
    ) -> None:
        """It both reads its outputs, to count what was published, and writes them."""
        name = topics.fresh_name("half")
        filled.allow(name, [Right(ResourceType.TOPIC, topic, granted) for topic in TOPICS[1:]])
        filled.allow(name, [Right(ResourceType.TOPIC, TOPICS[0], AclOperation.READ)])
        env = {
            **by_password(filled, tmp_path, name),
            "CONSUMER_GROUP": name,
            "METRICS_PORT": "0",
            "API_PORT": "0",
        }
        code, states = self.states(env, model)
        assert code == 4
        wrong = {check for check, state in states.items() if state == "wrong"}
        assert wrong == {"fraud-alerts rights", "claims-dead-letter rights", f"group {name}"}


class TestTheWorkersPrincipalCanDoNothingElse:
    @pytest.fixture
    def client(self, filled: Secured, tmp_path: Path) -> dict[str, str]:
        env = by_password(filled, tmp_path, "narrow")
        filled.allow("narrow", of_group(RIGHTS["run"], "narrow"))
        return {
            "bootstrap.servers": env["KAFKA_BOOTSTRAP_SERVERS"],
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "narrow",
            "sasl.password": PASSWORD,
            "ssl.ca.location": env["KAFKA_SSL_CA_LOCATION"],
        }

    def test_write_claims(self, client: dict[str, str]) -> None:
        assert produced(client, "claims") in DENIED

    def test_what_it_may_write_it_can(self, client: dict[str, str]) -> None:
        assert produced(client, "fraud-alerts") is None

    @pytest.mark.parametrize("topic", ["fraud-outcomes", "elsewhere"])
    def test_read_results(self, client: dict[str, str], topic: str) -> None:
        assert consumed(client, topic, "narrow") in DENIED

    def test_read_as_another_group(self, client: dict[str, str]) -> None:
        assert consumed(client, "claims", "fraud-scorer") in DENIED

    def test_take_over_the_transactions_of_another_group(self, client: dict[str, str]) -> None:
        producer = Producer({**client, "transactional.id": "fraud-scorer/1"})
        with pytest.raises(KafkaException) as caught:
            producer.init_transactions(30)
        assert caught.value.args[0].code() in DENIED

    def test_make_or_remove_topics(self, client: dict[str, str]) -> None:
        admin = AdminClient(dict(client))
        for futures in (
            admin.create_topics([NewTopic("new", 1, 1)]),
            admin.delete_topics(["claims"]),
        ):
            (future,) = futures.values()
            with pytest.raises(KafkaException) as caught:
                future.result(60)
            assert caught.value.args[0].code() in DENIED


def produced(client: dict[str, str], topic: str) -> int | None:
    """Error code of producing one record, None when it was taken."""
    codes: list[int | None] = []
    producer = Producer(client)
    producer.produce(topic, b"x", on_delivery=lambda e, _: codes.append(e.code() if e else None))
    assert producer.flush(60) == 0
    (code,) = codes
    return code


def consumed(client: dict[str, str], topic: str, group: str) -> int | None:
    """Error code of the first thing a poll brings, None for a record."""
    consumer = Consumer({**client, "group.id": group, "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe([topic])
        (message,) = wait.until(lambda: consumer.consume(1, 1.0), f"anything of {topic}")
        error = message.error()
        return error.code() if error else None
    finally:
        consumer.close()


class TestWhoIsNotLetIn:
    def test_a_wrong_password(self, filled: Secured, tmp_path: Path, model: Path) -> None:
        env = by_password(filled, tmp_path, "forgetful")
        (tmp_path / "password").write_text("wrong-4711")
        done = processes.run("run", env={**env, **as_worker("forgetful", model, 0)})
        assert done.returncode == 4, done.stderr
        assert "uthentication" in done.stderr
        assert "wrong-4711" not in done.stderr

    def test_a_broker_of_another_authority(
        self, filled: Secured, tmp_path: Path, model: Path
    ) -> None:
        env = by_password(filled, tmp_path, "careful")
        stranger, _ = filled.certificates.sign("stranger")
        env |= {"KAFKA_SSL_CA_LOCATION": str(stranger)}
        done = processes.run("run", env={**env, **as_worker("careful", model, 0)})
        assert done.returncode == 4, done.stderr
        assert "certificate verify failed" in done.stderr

    def test_a_secret_file_that_is_not_there(self, tmp_path: Path, model: Path) -> None:
        env = {"KAFKA_SASL_PASSWORD_FILE": str(tmp_path / "none"), "MODEL_DIR": str(model)}
        done = processes.run("run", env=env)
        assert done.returncode == 2
        assert "KAFKA_SASL_PASSWORD_FILE" in done.stderr
