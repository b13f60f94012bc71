"""Configuration of the Kafka clients: per mode, per protocol, and from the environment."""

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException

from consumer.errors import SettingsError
from consumer.kafka.client import (
    common_config,
    consumer_config,
    ignored,
    onlooker_config,
    producer_config,
    refused_property,
    stopped,
)
from consumer.kafka.producing import make_producer
from consumer.settings.settings import Settings, read_settings


def settings(**environ: str) -> Settings:
    return read_settings({"INSTANCE_ID": "w1", "CONSUMER_GROUP": "g", **environ})


def test_the_consumer_never_commits_by_itself_and_reads_what_is_committed() -> None:
    config = consumer_config(settings())
    assert config["enable.auto.commit"] is False
    assert config["enable.auto.offset.store"] is False
    assert config["isolation.level"] == "read_committed"
    assert config["auto.offset.reset"] == "earliest"
    assert config["group.id"] == "g"


@pytest.mark.parametrize("membership", ["static", "dynamic"])
def test_classic_members_share_partitions_eagerly(membership: str) -> None:
    """In a cooperative rebalance there is a moment when a death leaves partitions unowned."""
    config = consumer_config(settings(MEMBERSHIP=membership))
    assert config["partition.assignment.strategy"] == "range"


def test_a_static_member_by_default() -> None:
    config = consumer_config(settings())
    assert config["group.instance.id"] == "w1"
    assert "group.instance.id" not in consumer_config(settings(MEMBERSHIP="dynamic"))


def test_the_consumer_protocol_takes_no_classic_properties() -> None:
    config = consumer_config(
        settings(KAFKA_GROUP_PROTOCOL="consumer", KAFKA_SESSION_TIMEOUT_MS="6000")
    )
    assert config["group.protocol"] == "consumer"
    for classic in ("partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"):
        assert classic not in config
    Consumer(config).close()


def test_the_transactional_id_is_stable_for_an_instance() -> None:
    config = producer_config(settings())
    assert config["transactional.id"] == "g/w1"
    assert config["enable.idempotence"] is True
    assert config["transaction.timeout.ms"] == 15_000
    assert producer_config(settings()) == config


def test_at_least_once_is_idempotent_without_transactions() -> None:
    config = producer_config(settings(DELIVERY="at-least-once"))
    assert config["enable.idempotence"] is True
    assert not [name for name in config if name.startswith("transaction")]


def test_back_to_back_transactions_do_not_wait() -> None:
    assert producer_config(settings())["retry.backoff.ms"] == 1


def test_keys_land_where_the_java_client_puts_them() -> None:
    assert producer_config(settings())["partitioner"] == "murmur2_random"


def test_properties_go_to_the_clients_they_are_of() -> None:
    some = settings(
        KAFKA_SECURITY_PROTOCOL="SSL",
        KAFKA_FETCH_MIN_BYTES="5",
        KAFKA_LINGER_MS="3",
        KAFKA_SESSION_TIMEOUT_MS="9000",
        KAFKA_TRANSACTION_TIMEOUT_MS="5000",
    )
    for config in (common_config(some), consumer_config(some), producer_config(some)):
        assert config["security.protocol"] == "SSL"
    assert consumer_config(some)["fetch.min.bytes"] == "5"
    assert consumer_config(some)["session.timeout.ms"] == "9000"
    assert "linger.ms" not in consumer_config(some)
    assert producer_config(some)["linger.ms"] == "3"
    assert producer_config(some)["transaction.timeout.ms"] == "5000"
    assert not {"fetch.min.bytes", "session.timeout.ms"} & {*producer_config(some)}
    assert not {"fetch.min.bytes", "linger.ms"} & {*common_config(some)}


def test_what_is_set_is_never_overridden() -> None:
    properties = {
        "message.max.bytes": "2000000",
        "reconnect.backoff.ms": "9",
        "client.id": "mine",
        "queued.max.messages.kbytes": "999",
        "fetch.queue.backoff.ms": "3",
        "session.timeout.ms": "9000",
        "linger.ms": "7",
        "partitioner": "consistent",
        "retry.backoff.ms": "8",
        "queue.buffering.max.kbytes": "777",
        "transaction.timeout.ms": "5000",
    }
    some = settings(**{"KAFKA_" + n.upper().replace(".", "_"): v for n, v in properties.items()})
    used = consumer_config(some) | producer_config(some)
    assert {name: used[name] for name in properties} == properties
    assert producer_config(settings())["message.max.bytes"] == 100_000_000


def test_what_has_no_effect_is_named() -> None:
    given = {"KAFKA_SESSION_TIMEOUT_MS": "6000", "KAFKA_HEARTBEAT_INTERVAL_MS": "900"}
    assert ignored(settings(**given)) == []
    assert sorted(ignored(settings(KAFKA_GROUP_PROTOCOL="consumer", **given))) == sorted(given)
    assert ignored(settings(KAFKA_GROUP_PROTOCOL="consumer")) == []


@pytest.mark.parametrize("environ", [{}, {"DELIVERY": "at-least-once"}, {"MEMBERSHIP": "dynamic"}])
def test_the_client_library_takes_the_configurations(environ: dict[str, str]) -> None:
    some = settings(**environ)
    Consumer(consumer_config(some)).close()
    make_producer(some)


@pytest.mark.parametrize(("limit", "fetched"), [("10000000", 9_999_488), ("100000000", None)])
def test_a_lower_limit_of_responses_lowers_that_of_fetches(limit: str, fetched: int | None) -> None:
    some = settings(KAFKA_RECEIVE_MESSAGE_MAX_BYTES=limit)
    for config in (consumer_config(some), onlooker_config(some, "read_committed")):
        assert config.get("fetch.max.bytes") == fetched
        Consumer(config).close()
    own = settings(KAFKA_RECEIVE_MESSAGE_MAX_BYTES=limit, KAFKA_FETCH_MAX_BYTES="2000000")
    for config in (consumer_config(own), onlooker_config(own, "read_committed")):
        assert config["fetch.max.bytes"] == "2000000"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_NO_SUCH_PROPERTY", "1"),
        ("KAFKA_RETRY_BACKOFF_MS", "soon"),
        ("KAFKA_DEBUG", "bogus"),
        ("KAFKA_MAX_IN_FLIGHT", "100"),
    ],
)
def test_a_property_the_client_refuses_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as refused:
        make_producer(settings(**{name: value}))
    assert refused.value.exit_code == 2


def test_a_refusal_without_a_property_says_so() -> None:
    error = KafkaException(KafkaError(KafkaError._INVALID_ARG, "no"))
    assert "KAFKA_* setting" in str(refused_property(error))


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (KafkaError._FENCED, "INSTANCE_ID"),
        (KafkaError.FENCED_INSTANCE_ID, "INSTANCE_ID"),
        (KafkaError.INCONSISTENT_GROUP_PROTOCOL, "stop every worker of the group"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, "python -m consumer topics"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "right on a topic"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "CONSUMER_GROUP"),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "CONSUMER_GROUP/INSTANCE_ID"),
        (KafkaError.MSG_SIZE_TOO_LARGE, "max.message.bytes"),
        (KafkaError.INVALID_RECORD, "cleanup.policy"),
        (KafkaError._BAD_COMPRESSION, "KAFKA_RECEIVE_MESSAGE_MAX_BYTES"),
    ],
)
def test_what_stops_the_worker_comes_with_advice(code: int, hint: str) -> None:
    error = stopped(KafkaException(KafkaError(code, "the broker's words")), "publishing")
    assert str(error).startswith("publishing: ")
    assert "the broker's words" in str(error)
    assert hint in str(error)
    assert error.exit_code == 4
