"""For topics that do not take several records together."""

import msgspec

from consumer.publishing.sizes import ALONE
from consumer.settings.settings import Settings


def sent_alone(settings: Settings) -> Settings:
    """Settings of a producer that compresses each record and sends it separately."""
    return msgspec.structs.replace(settings, librdkafka={**settings.librdkafka, **ALONE})
