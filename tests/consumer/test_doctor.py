"""Findings of `doctor` for the answers it gets."""

import contextlib
import http.server
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from consumer.background import in_background
from consumer.doctor import ports
from consumer.doctor.asked import AskedBroker, AskedGroup, AskedTopic, Replicas
from consumer.doctor.brokers import reached, settings_of, unreachable, version
from consumer.doctor.durability import durability
from consumer.doctor.examine import examine
from consumer.doctor.files import files, judge_secret, look_at
from consumer.doctor.findings import (
    Diagnosis,
    State,
    exit_code,
    json_line,
    line,
    ok,
    unknown,
    warning,
    wrong,
)
from consumer.doctor.group import (
    Newest,
    judge_clock,
    judge_group,
    judge_open,
    judge_progress,
)
from consumer.doctor.ports import DoctorPort, judge
from consumer.doctor.ports import look_at as look_at_port
from consumer.doctor.topics import (
    Use,
    forwarding,
    judge_absent,
    judge_internal,
    judge_topic,
    retention,
    rights,
    sizes,
)
from consumer.kafka import group
from consumer.kafka.topics import COUNTS_AND_WRITES, READS
from consumer.settings.settings import read_settings

SAFE = {
    "min.insync.replicas": "2",
    "cleanup.policy": "delete",
    "retention.ms": "604800000",
    "retention.bytes": "-1",
    "max.message.bytes": "1048588",
    "unclean.leader.election.enable": "false",
}
DENIED = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
ABSENT = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)


def topic(replicas: int = 3, in_sync: int = 3, leader: int | None = 1, **config: str) -> AskedTopic:
    changed = {**SAFE, **{name.replace("_", "."): value for name, value in config.items()}}
    parts = (Replicas(1, 3, 3), Replicas(leader, replicas, in_sync))
    return AskedTopic("claims", parts, frozenset({"READ", "DESCRIBE"}), changed)


class TestFindings:
    def test_a_line_says_state_check_text_and_advice(self) -> None:
        assert line(ok("claims", "8 partitions")) == "ok       claims: 8 partitions"
        found = warning("claims", "replication\n 1", "raise it")
        assert line(found) == "warning  claims: replication 1 -> raise it"

    def test_json_has_the_same(self) -> None:
        found = json.loads(json_line(wrong("brokers", "no answer", "look", 4)))
        assert found == {
            "check": "brokers",
            "state": "wrong",
            "text": "no answer",
            "advice": "look",
            "exit_code": 4,
        }

    @pytest.mark.parametrize(
        ("findings", "code"),
        [
            ([], 0),
            ([ok("a", ""), unknown("b", "", "")], 0),
            ([ok("a", ""), warning("b", "", "")], 1),
            ([wrong("a", "", "")], 1),
            ([warning("a", "", ""), wrong("b", "", "", 4)], 4),
            ([wrong("a", "", "", 4), wrong("b", "", "", 3), wrong("c", "", "")], 3),
        ],
    )
    def test_the_exit_code_is_what_a_worker_would_meet_first(
        self, findings: list[Diagnosis], code: int
    ) -> None:
        assert exit_code(findings) == code


class TestDurability:
    def test_three_replicas_of_which_two_must_acknowledge(self) -> None:
        found = durability(topic())
        assert line(found) == "ok       claims: 2 partitions, replication 3, min.insync 2"

    @pytest.mark.parametrize(
        ("made", "state", "code", "said"),
        [
            (topic(1, 1, min_insync_replicas="1"), State.WARNING, 1, "replication 1"),
            (topic(2, 2, min_insync_replicas="1"), State.WARNING, 1, "replication 2"),
            (topic(min_insync_replicas="1"), State.WARNING, 1, "a single replica may acknowledge"),
            (topic(min_insync_replicas="3"), State.WARNING, 1, "while any one broker is down"),
            (topic(in_sync=2), State.WARNING, 1, "only 2 in sync"),
            (topic(in_sync=1), State.WRONG, 4, "Kafka rejects writes"),
            (topic(leader=None), State.WRONG, 4, "no leader for partitions [1]"),
            (topic(unclean_leader_election_enable="true"), State.WRONG, 1, "unclean"),
        ],
    )
    def test_what_does_not_survive(
        self, made: AskedTopic, state: State, code: int, said: str
    ) -> None:
        found = durability(made)
        assert (found.state, found.exit_code) == (state, code)
        assert said in found.text
        assert found.advice

    def test_settings_that_may_not_be_asked_for(self) -> None:
        found = durability(topic()._replace(config=DENIED))
        assert found.state is State.UNKNOWN
        assert "DescribeConfigs on claims" in found.advice


class TestTopics:
    def test_a_missing_topic_ends_a_worker(self) -> None:
        found = judge_absent(Use("fraud-alerts", COUNTS_AND_WRITES), ABSENT)
        assert (found.state, found.exit_code) == (State.WRONG, 4)
        assert "topic fraud-alerts does not exist" in found.text
        assert "python -m consumer topics" in found.advice

    def test_the_worker_does_without_outcomes(self) -> None:
        outcomes = Use("o", READS, by_worker=False)
        assert judge_absent(outcomes, ABSENT).state is State.WARNING
        assert judge_absent(outcomes, DENIED).state is State.UNKNOWN
        own = {found.check for found in judge_topic(outcomes, topic())}
        assert own == {"claims", "claims retention"}

    @pytest.mark.parametrize("error", [ABSENT, DENIED])
    def test_an_internal_topic_that_is_not_shown(self, error: KafkaError) -> None:
        assert judge_internal("__consumer_offsets", error).state is State.UNKNOWN

    @pytest.mark.parametrize(
        ("config", "state", "said"),
        [
            ({}, State.OK, "delete, 7 days"),
            ({"retention.ms": "-1"}, State.OK, "forever"),
            ({"retention.ms": "3600000"}, State.WARNING, "1 hours"),
            ({"retention.bytes": "1000"}, State.WARNING, "retention.bytes=1000"),
            ({"cleanup.policy": "compact,delete"}, State.WRONG, "cleanup.policy=compact,delete"),
        ],
    )
    def test_records_stay_until_they_are_read(
        self, config: dict[str, str], state: State, said: str
    ) -> None:
        found = retention(topic()._replace(config={**SAFE, **config}))
        assert found.state is state
        assert said in found.text

    def test_rights(self) -> None:
        assert rights(Use("claims", READS), topic()).text == "allowed: Read"
        both = Use("claims", COUNTS_AND_WRITES)
        for granted, missing in [("READ", "Write"), ("WRITE", "Read"), ("DESCRIBE", "Read, Write")]:
            found = rights(both, topic()._replace(rights=frozenset({granted})))
            assert (found.state, found.exit_code) == (State.WRONG, 4)
            assert found.text == f"this principal may not {missing}"
        silent = topic()._replace(rights=frozenset())
        assert rights(Use("claims", READS), silent).state is State.UNKNOWN

    def test_the_right_to_forward_posted_claims(self) -> None:
        may = forwarding("claims", topic()._replace(rights=frozenset({"DESCRIBE", "WRITE"})))
        assert line(may) == "ok       API_FORWARD: topic claims, allowed: Write"
        silent = forwarding("claims", topic()._replace(rights=frozenset()))
        assert (silent.check, silent.state) == ("API_FORWARD", State.UNKNOWN)

    @pytest.mark.parametrize(
        ("found", "text", "advice"),
        [
            (topic(), "this principal may not Write claims", "docs/security.md"),
            (ABSENT, "topic claims does not exist", "python -m consumer topics"),
            (DENIED, "this principal may not Write claims", "docs/security.md"),
        ],
    )
    def test_posted_claims_that_could_not_be_forwarded(
        self, found: AskedTopic | KafkaError, text: str, advice: str
    ) -> None:
        finding = forwarding("claims", found)
        assert (finding.check, finding.state, finding.exit_code) == ("API_FORWARD", State.WRONG, 4)
        assert finding.text.startswith(text)
        assert finding.text.endswith("; serve would not start")
        assert advice in finding.advice

    def test_an_outcome_fits_where_its_claim_did(self) -> None:
        claims, large = topic(), topic(max_message_bytes="2097176")
        asked = ("claims", ("alerts", "dead"))
        found = sizes(*asked, {"claims": claims, "alerts": large, "dead": large})
        assert found.state is State.OK
        found = sizes(*asked, {"claims": claims, "alerts": large, "dead": claims})
        assert found.state is State.WARNING
        assert "may not fit dead and is cut" in found.text
        assert "2097176" in found.advice
        found = sizes(*asked, {"claims": claims, "alerts": DENIED, "dead": large})
        assert found.state is State.UNKNOWN


class TestBrokers:
    def test_all_answer(self) -> None:
        nodes = [AskedBroker(1, "a:9092", {}), AskedBroker(2, "b:9092", DENIED)]
        found = reached(nodes)
        assert found.state is State.OK
        assert "2 reached at the advertised addresses: 1 at a:9092, 2 at b:9092" in found.text

    def test_one_advertises_an_address_that_nobody_answers(self) -> None:
        timed_out = KafkaError(KafkaError._TIMED_OUT)
        found = reached([AskedBroker(1, "a:9092", {}), AskedBroker(2, "inside:9092", timed_out)])
        assert (found.state, found.exit_code) == (State.WRONG, 4)
        assert "no answer from 2 at inside:9092" in found.text
        assert "advertised.listeners" in found.advice

    def test_none_answers(self) -> None:
        found = unreachable("k:1", ["refused", "refused", "no route"], 8.0)
        assert found.exit_code == 4
        assert found.text == "no answer from k:1 within 8 s: refused; no route"

    def test_the_version_matters_on_one_node(self) -> None:
        assert version(1).state is State.WARNING
        assert version(3).state is State.UNKNOWN

    @pytest.mark.parametrize(
        ("config", "timeout_ms", "state"),
        [
            ({"transaction.max.timeout.ms": "900000"}, 15_000, State.OK),
            ({"transaction.max.timeout.ms": "10000"}, 15_000, State.WRONG),
            ({"transaction.max.timeout.ms": "10000"}, None, State.OK),
            ({"offsets.retention.minutes": "60"}, 15_000, State.WARNING),
        ],
    )
    def test_limits(self, config: dict[str, str], timeout_ms: int | None, state: State) -> None:
        assert settings_of([AskedBroker(1, "a:1", config)], timeout_ms).state is state

    def test_limits_that_may_not_be_asked_for(self) -> None:
        assert settings_of([AskedBroker(1, "a:1", DENIED)], 1).state is State.UNKNOWN


MEMBERS = AskedGroup("classic", "stable", "range", (("w-1", "/10.0.0.1"),), frozenset({"READ"}))


class TestGroup:
    @pytest.mark.parametrize(
        ("found", "states"),
        [
            (MEMBERS, [State.OK, State.OK]),
            (MEMBERS._replace(members=()), [State.OK, State.OK]),
            (MEMBERS._replace(assignor="cooperative-sticky"), [State.WRONG, State.OK]),
            (MEMBERS._replace(kind="consumer", assignor="uniform"), [State.WARNING, State.OK]),
            (MEMBERS._replace(state="preparing_rebalancing"), [State.WARNING, State.OK]),
            (MEMBERS._replace(rights=frozenset({"DESCRIBE"})), [State.OK, State.WRONG]),
            (MEMBERS._replace(rights=frozenset()), [State.OK, State.UNKNOWN]),
            (KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED), [State.WRONG]),
            (KafkaError(KafkaError.GROUP_ID_NOT_FOUND), [State.OK]),
            (KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS), [State.UNKNOWN]),
        ],
    )
    def test_members(self, found: AskedGroup | KafkaError, states: list[State]) -> None:
        judged = judge_group(found, "g", "classic")
        assert [finding.state for finding in judged] == states
        assert {f.exit_code for f in judged if f.state is State.WRONG} <= {4}

    def test_any_assignor_under_the_consumer_protocol(self) -> None:
        found = MEMBERS._replace(kind="consumer", assignor="uniform")
        assert judge_group(found, "g", "consumer")[0].state is State.OK

    @pytest.mark.parametrize(
        ("place", "owned", "running", "state", "said"),
        [
            (group.Partition(10, 0, 10, 10), {0}, True, State.OK, "0 claims behind"),
            (group.Partition(4, 0, 10, 10), {0}, True, State.OK, "6 claims behind"),
            (group.Partition(-1, 0, 0, 0), set(), False, State.OK, "1 of 1 partitions"),
            (group.Partition(4, 0, 10, 10), set(), False, State.WARNING, "no worker"),
            (group.Partition(10, 0, 10, 10), set(), True, State.WARNING, "1 of 1 partitions"),
            (group.Partition(4, 7, 10, 10), {0}, True, State.WARNING, "3 offsets were deleted"),
            (group.Partition(12, 0, 10, 10), {0}, True, State.WRONG, "beyond the end"),
        ],
    )
    def test_progress(
        self, place: group.Partition, owned: set[int], running: bool, state: State, said: str
    ) -> None:
        found = judge_progress(group.Group({0: place}, frozenset(owned)), running)
        assert found.state is state
        assert said in found.text

    def test_a_transaction_that_is_open_at_both_looks(self) -> None:
        first = {("alerts", 0): 5, ("alerts", 1): 7}
        assert judge_open(first, {}, 1.0, 15.0).state is State.OK
        assert judge_open(first, {("alerts", 1): 8}, 1.0, 15.0).state is State.OK
        found = judge_open(first, {("alerts", 0): 5}, 1.0, 15.0)
        assert found.state is State.WARNING
        assert found.text == "open for 1 s or longer: alerts[0]@5"

    @pytest.mark.parametrize(
        ("first_ms", "second_ms", "state", "said"),
        [
            ({"alerts": 30_000, "dead": -1}, {"alerts": 30_000, "dead": -1}, "unknown", "none was"),
            ({"alerts": 15_000}, {"alerts": 15_000}, "unknown", "none was"),  # long ago
            ({}, {}, "unknown", "none was"),
            ({"alerts": 42_000}, {"alerts": 42_000}, "warning", "ahead of this machine's clock"),
            ({"alerts": 20_000}, {"alerts": 42_000}, "warning", "alerts by 11 s"),
            ({"alerts": -1, "dead": 5}, {"alerts": 20_000, "dead": 5}, "warning", "behind this"),
            ({"alerts": 19_000}, {"alerts": 20_000}, "warning", "alerts by 10 s"),
            ({"alerts": 29_000}, {"alerts": 30_500}, "ok", "within 5 s"),
            ({"alerts": 20_000}, {"alerts": 26_000}, "ok", "within 5 s"),
            ({"alerts": 29_000}, {"alerts": 35_000}, "ok", "within 5 s"),
        ],
    )
    def test_a_clock_that_differs_from_that_of_the_outcomes(
        self, first_ms: dict[str, int], second_ms: dict[str, int], state: str, said: str
    ) -> None:
        found = judge_clock(Newest(30_000, first_ms), Newest(31_000, second_ms), 31_000)
        assert (found.state.value, said in found.text) == (state, True), found


class TestThisMachine:
    @pytest.mark.parametrize(
        ("mode", "state", "code"),
        [(0o600, State.OK, 0), (0o640, State.OK, 0), (0o644, State.WARNING, 1)],
    )
    def test_a_key_is_not_for_everybody(
        self, tmp_path: Path, mode: int, state: State, code: int
    ) -> None:
        key = tmp_path / "key"
        key.touch()
        key.chmod(mode)
        found = judge_secret(look_at("API_TLS_KEY", key))
        assert (found.check, found.state, found.exit_code) == ("API_TLS_KEY", state, code)

    def test_a_key_that_cannot_be_read(self, tmp_path: Path) -> None:
        file = look_at("API_TLS_KEY", tmp_path / "none")
        assert judge_secret(file).exit_code == 2
        assert judge_secret(file._replace(mode=0o600)).exit_code == 2

    def test_a_key_file_without_keys(self, tmp_path: Path, model_dir: Path) -> None:
        key = tmp_path / "key"
        key.write_text("short\n")
        key.chmod(0o600)
        environ = {"MODEL_DIR": str(model_dir), "DEAD_LETTER_KEY_FILE": str(key)}
        found = {f.check: f for f in files(read_settings(environ))}
        assert found["dead-letter keys"].exit_code == 2
        assert found["DEAD_LETTER_KEY_FILE"].state is State.OK
        assert found["model"].state is State.OK

    def test_a_model_or_a_challenger_that_is_missing(self, tmp_path: Path, model_dir: Path) -> None:
        environ = {"MODEL_DIR": str(model_dir), "SHADOW_MODEL_DIR": str(tmp_path / "none")}
        found = {f.check: f for f in files(read_settings(environ))}
        assert found["model"].state is State.OK
        assert found["shadow model"].exit_code == 3
        assert "SHADOW_MODEL_DIR" in found["shadow model"].text

    @pytest.mark.parametrize("setting", ["RULES_FILE", "MODEL_PUBLIC_KEY_FILE"])
    def test_a_setting_is_wrong_before_the_model_is(self, tmp_path: Path, setting: str) -> None:
        environ = {"MODEL_DIR": str(tmp_path / "none"), setting: str(tmp_path / "missing")}
        found = list(files(read_settings(environ)))
        assert exit_code(found) == 2
        assert any(setting in f.text for f in found)


@contextmanager
def trickling(said: bytes) -> Iterator[int]:
    """A port where whoever connects is sent this, and then one byte at a time for ever."""
    ended = threading.Event()

    def run(server: socket.socket) -> None:
        client, _ = server.accept()
        with client, contextlib.suppress(OSError):
            client.sendall(said)
            while not ended.wait(0.02):
                client.sendall(b"x")

    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        in_background(lambda: run(server), "trickling", ended),
    ):
        yield server.getsockname()[1]


@pytest.mark.parametrize(("name", "value"), [("MAX_IN_FLIGHT", "9"), ("FETCH_MAX_BYTES", "10")])
def test_what_only_a_worker_s_clients_refuse_is_wrong(name: str, value: str) -> None:
    environ = {f"KAFKA_{name}": value, "METRICS_PORT": "0", "API_PORT": "0"}
    *_, found = examine(read_settings({**environ, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}))
    assert (found.check, found.state, found.exit_code) == ("kafka client", State.WRONG, 2)
    assert f"KAFKA_{name}" in found.text


class TestPorts:
    def test_free(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            number = taken.getsockname()[1]
        found = look_at_port("METRICS_PORT", "127.0.0.1", number, secure=False)
        assert judge(found, needed=True).state is State.OK

    @pytest.fixture
    def other(self) -> Iterator[int]:
        """A program with an HTTP port that has no /healthz."""
        server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        server.server_close()
        thread.join()

    @pytest.mark.parametrize(("needed", "code"), [(True, 2), (False, 1)])
    def test_taken_by_another_program(self, other: int, needed: bool, code: int) -> None:
        found = judge(look_at_port("X_PORT", "127.0.0.1", other, secure=False), needed=needed)
        assert found.exit_code == code
        assert f"X_PORT={other}: cannot listen" in found.text

    @pytest.mark.parametrize("host", [".", "a..b", "x" * 64, "192.0.2.1"])
    def test_a_host_that_cannot_be_listened_on(self, host: str) -> None:
        settings = read_settings({"API_HOST": host, "API_PORT": "0", "METRICS_PORT": "0"})
        _, found = ports.ports(settings)
        assert (found.check, found.state) == ("API_HOST", State.WARNING)
        assert "API_PORT" not in found.text + found.advice

    @pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nx: "])
    def test_taken_by_a_program_that_never_ends_its_answer(self, said: bytes) -> None:
        with trickling(said) as port:
            looked_at = look_at_port("X_PORT", "127.0.0.1", port, secure=False, answer_s=0.3)
            found = judge(looked_at, needed=True)
        assert found.exit_code == 2

    def test_taken_by_a_worker(self) -> None:
        assert judge(DoctorPort("X_PORT", 1, "taken", healthz=True), needed=True).state is State.OK
