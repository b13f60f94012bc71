"""PUBLISH: which alerts a worker publishes."""

from collections.abc import Mapping
from typing import Final

from consumer.batch.alerts import Wanted, actionable, all_alerts, referrals
from consumer.settings.settings import Publish, Settings

_WANTED: Final[Mapping[Publish, Wanted]] = {
    Publish.ALL: all_alerts,
    Publish.ACTIONABLE: actionable,
    Publish.REFERRALS: referrals,
}


def wanted_by(settings: Settings) -> Wanted:
    """The choice that PUBLISH makes."""
    return _WANTED[settings.publish]
