"""Checks of `doctor` on the topics: retention, record sizes, and rights."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from confluent_kafka import KafkaError
from msgspec.structs import replace

from consumer.doctor.asked import AskedTopic
from consumer.doctor.durability import durability
from consumer.doctor.findings import Diagnosis, State, grant, ok, unknown, warning, wrong
from consumer.errors import KafkaStoppedError
from consumer.kafka.topics import WRITES

STOPS: Final = KafkaStoppedError.exit_code
INTERNAL: Final = ("__consumer_offsets", "__transaction_state")
DAY_MS: Final = 24 * 3_600 * 1_000
NEVER_MS: Final = 2**63 - 1
"""The brokers' default for ``max.compaction.lag.ms``."""
HEADROOM_BYTES: Final = 100_000
"""Bytes an alert or a dead letter may need in addition to its claim."""


class Use(NamedTuple):
    """The product's use of a topic."""

    topic: str
    rights: frozenset[str]
    """The operations it needs, in capitals."""
    by_worker: bool = True
    """True if a worker cannot run without it."""
    compacted: bool = False
    """True if it has to keep the latest record of each key for ever."""


def judge_topic(use: Use, found: AskedTopic | KafkaError) -> Iterator[Diagnosis]:
    """All findings about one topic of the product."""
    if isinstance(found, KafkaError):
        yield judge_absent(use, found)
        return
    yield durability(found)
    yield compaction(found) if use.compacted else retention(found)
    if use.by_worker:
        yield rights(use, found)


def judge_absent(use: Use, error: KafkaError) -> Diagnosis:
    """A topic that is missing, or hidden from this principal."""
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        text = f"topic {use.topic} does not exist"
        advice = "create it with: python -m consumer topics"
        if not use.by_worker:
            return warning(use.topic, f"{text}; python -m consumer outcomes needs it", advice)
        return wrong(use.topic, text, advice, STOPS)
    if error.code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
        text, advice = f"no answer about topic {use.topic}: {error.str()}", "check again"
        if use.by_worker:
            return wrong(use.topic, text, advice, STOPS)
        return unknown(use.topic, text, advice)
    if not use.by_worker:
        return unknown(use.topic, error.str(), grant("Describe", use.topic))
    # Each of the rights implies Describe, so it has none of them.
    return _forbidden(use.topic, use, use.rights)


def judge_internal(name: str, found: AskedTopic | KafkaError) -> Diagnosis:
    """One of Kafka's internal topics, on which offsets and transactions depend."""
    if isinstance(found, AskedTopic):
        return durability(found)
    if found.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return unknown(
            name,
            "does not exist yet",
            "check again once a worker has run",
        )
    if found.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return unknown(name, found.str(), grant("Describe", name))
    return unknown(name, f"no answer: {found.str()}", "check again")


def retention(topic: AskedTopic) -> Diagnosis:
    """Check that records are kept until they are read."""
    check = f"{topic.name} retention"
    config = topic.config
    if isinstance(config, KafkaError):
        return unknown(check, config.str(), grant("DescribeConfigs", topic.name))
    policy = config.get("cleanup.policy") or "delete"
    if "compact" in policy:
        text = f"cleanup.policy={policy}: a record is removed once its key occurs again"
        return wrong(check, text, "set cleanup.policy=delete")
    if config.get("retention.bytes") not in {None, "-1"}:
        text = f"retention.bytes={config['retention.bytes']}: records are deleted at any age"
        return warning(check, text, "set retention.bytes=-1, and retention.ms as long as you need")
    kept_ms = int(config.get("retention.ms") or -1)
    if 0 <= kept_ms < DAY_MS:
        text = f"{kept_ms / 3_600_000:g} hours: records not read by then are lost"
        return warning(check, text, "raise retention.ms above the longest outage")
    return ok(check, f"delete, {'forever' if kept_ms < 0 else f'{kept_ms / DAY_MS:g} days'}")


def compaction(topic: AskedTopic) -> Diagnosis:
    """Check that what is remembered is kept, and that what is forgotten leaves the disks."""
    check = f"{topic.name} retention"
    config = topic.config
    if isinstance(config, KafkaError):
        return unknown(check, config.str(), grant("DescribeConfigs", topic.name))
    policy = config.get("cleanup.policy") or "delete"
    if policy != "compact":
        text = f"cleanup.policy={policy}: what is remembered is deleted with time"
        return wrong(check, text, "set cleanup.policy=compact", STOPS)
    lag_ms = int(config.get("max.compaction.lag.ms") or NEVER_MS)
    if lag_ms > 7 * DAY_MS:
        days = "no limit" if lag_ms >= NEVER_MS else f"{lag_ms / DAY_MS:g} days"
        text = f"max.compaction.lag.ms: {days}; what was forgotten may stay on the disks so long"
        return warning(check, text, f"set max.compaction.lag.ms={7 * DAY_MS}")
    return ok(check, f"compact, within {lag_ms / DAY_MS:g} days")


def rights(use: Use, topic: AskedTopic) -> Diagnosis:
    """Check that this principal may use the topic as the product does."""
    check = f"{topic.name} rights"
    if not topic.rights:
        return unknown(check, "the brokers do not report them", "check the access rules")
    missing = use.rights - topic.rights
    if not missing:
        return ok(check, f"allowed: {_named(use.rights)}")
    return _forbidden(check, use, missing)


def _forbidden(check: str, use: Use, missing: frozenset[str]) -> Diagnosis:
    named = _named(missing)
    return wrong(check, f"this principal may not {named}", grant(named, use.topic), STOPS)


def forwarding(topic: str, found: AskedTopic | KafkaError) -> Diagnosis:
    """Check that `serve` may write posted claims to the claims topic, as API_FORWARD asks."""
    check = "API_FORWARD"
    use = Use(topic, WRITES)
    finding = judge_absent(use, found) if isinstance(found, KafkaError) else rights(use, found)
    if finding.state is State.WRONG:
        text = finding.text if f"topic {topic}" in finding.text else f"{finding.text} {topic}"
        return wrong(check, f"{text}; serve would not start", finding.advice, STOPS)
    return replace(finding, check=check, text=f"topic {topic}, {finding.text}")


def _named(rights: Iterable[str]) -> str:
    return ", ".join(sorted(right.title() for right in rights))


def sizes(claims: str, outputs: tuple[str, ...], found: Mapping[str, object]) -> Diagnosis:
    """Check that the outcome of a claim of maximum size fits its topic."""
    limits = {name: _limit(found[name]) for name in (claims, *outputs)}
    largest = limits[claims]
    if largest is None or None in limits.values():
        return _unknown_sizes({name: found[name] for name, limit in limits.items() if not limit})
    shown = ", ".join(f"{name} {limit:,}" for name, limit in limits.items())
    short = [name for name in outputs if (limits[name] or 0) < largest + HEADROOM_BYTES]
    if not short:
        return ok("max.message.bytes", shown)
    return warning(
        "max.message.bytes",
        f"{shown}: the outcome of a large claim may not fit {', '.join(short)} and is cut",
        f"set max.message.bytes={2 * largest} there",
    )


def _unknown_sizes(found: Mapping[str, object]) -> Diagnosis:
    text = f"not known of {', '.join(found)}"
    hidden = [name for name, topic in found.items() if not isinstance(topic, AskedTopic)]
    if hidden:
        return unknown("max.message.bytes", text, f"see the line about {', '.join(hidden)}")
    return unknown("max.message.bytes", text, grant("DescribeConfigs", ", ".join(found)))


def _limit(topic: object) -> int | None:
    if not isinstance(topic, AskedTopic) or isinstance(topic.config, KafkaError):
        return None
    return int(topic.config.get("max.message.bytes") or 0)
