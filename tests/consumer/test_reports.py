"""Which of the reports on records is the reason."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumer.publishing.reports import DeliveryReports
from schemas.alert import Source

PURGED = KafkaError(KafkaError._PURGE_QUEUE)
CLOCK = KafkaError(KafkaError.INVALID_TIMESTAMP)
LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ([PURGED, CLOCK, PURGED], CLOCK),
        ([CLOCK, PURGED], CLOCK),
        ([CLOCK, LARGE, PURGED], LARGE),
        ([PURGED, PURGED], PURGED),
    ],
)
def test_a_reason_comes_before_what_follows_from_it(
    told: list[KafkaError], reason: KafkaError
) -> None:
    reports = DeliveryReports()
    for error in told:
        reports.of(Source("claims", 0, 1))(error, None)
    with pytest.raises(KafkaException) as raised:
        reports.check()
    assert raised.value.args[0].code() == reason.code()
    assert bool(reports.refused) == (LARGE in told)
