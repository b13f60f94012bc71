import pytest

from tests.broker.hanging import Hanging, hanging, parse
from tests.broker.native import NativeKafka

TABLE = """\
Topic             \tPartition\tProducerId\tProducerEpoch\tCoordinatorEpoch\tStartOffset\tLastTimestamp\tDuration(min)\t
__consumer_offsets\t4        \t2010      \t0            \t6               \t633        \t1795459965890\t20           \t
"""  # noqa: E501 - as the tool prints it


def test_the_tools_table_is_read() -> None:
    assert parse(TABLE) == [Hanging("__consumer_offsets", 4, 2010, 633)]


@pytest.mark.kafka
def test_nothing_hangs_in_a_sound_broker(native: type[NativeKafka]) -> None:
    with native() as kafka:
        assert hanging(kafka.direct, [1]) == []
