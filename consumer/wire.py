"""In what form claims come and alerts go: plain JSON, or in the frames of a Schema Registry."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from consumer.decode import decode
from consumer.errors import SettingsError
from consumer.records import Record
from consumer.sealing import as_it_is
from consumer.settings import AlertFormat, Settings
from schemas.claim import Claim
from schemas.dead_letter import Header

Read = Callable[[bytes | None, Iterable[Header]], Claim]
"""Reads one claim from a record's value and headers; see `consumer.decode.decode`."""
Frame = Callable[[Record], Record]
"""What becomes of an alert's record before it is published."""


class Wire(NamedTuple):
    """How a worker reads claims and writes alerts; plain JSON without more."""

    read: Read = decode
    frame: Frame = as_it_is


PLAIN: Final = Wire()


@contextmanager
def _extra(settings: Settings) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise SettingsError(
            f"SCHEMA_REGISTRY_URL={settings.schema_registry_url} needs the extra 'registry' "
            f"(pip install 'claims-fraud-scorer[registry]'): {error}"
        ) from error


def make_wire(settings: Settings) -> Wire:
    """What SCHEMA_REGISTRY_URL and ALERT_FORMAT ask for.

    Raises:
        SettingsError: the extra ``registry`` is not installed, or the client refuses a setting.
        RegistryStoppedError: the registry does not answer, or refuses the alerts' schema.
    """
    if settings.schema_registry_url is None:
        return PLAIN
    with _extra(settings):
        from consumer.alert_format import make_frame  # noqa: PLC0415 - an extra
        from consumer.framed import FramedClaims  # noqa: PLC0415
        from consumer.registry import connect  # noqa: PLC0415
    registry = connect(settings)
    plain = settings.alert_format is AlertFormat.JSON
    return Wire(FramedClaims(registry), as_it_is if plain else make_frame(settings, registry))


def json_of(settings: Settings) -> Callable[[bytes], bytes]:
    """For readers of alerts: the JSON of a value, framed or plain.

    What it returns raises `RefusedError` for what cannot be read, and `RegistryStoppedError`.

    Raises:
        SettingsError, RegistryStoppedError: as `make_wire` does.
    """
    if settings.schema_registry_url is None:
        return lambda value: value
    with _extra(settings):
        from consumer.framed import Frames  # noqa: PLC0415 - an extra
        from consumer.registry import connect  # noqa: PLC0415
    return Frames(connect(settings)).as_json
