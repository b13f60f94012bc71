"""The form of claims and alerts: plain JSON, or framed for a Schema Registry."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from consumer.batch.decode import decode
from consumer.batch.edges import PLAIN, Wire, as_it_is
from consumer.errors import INSTALL_EXTRAS, SettingsError
from consumer.settings.settings import AlertFormat, Settings
from schemas.decoding.unknown import UnknownFields

if TYPE_CHECKING:
    from consumer.registry.client import Registry


@contextmanager
def _extra(settings: Settings) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise SettingsError(
            f"SCHEMA_REGISTRY_URL={settings.schema_registry_url} needs the extra 'registry' "
            f"({INSTALL_EXTRAS}): {error}"
        ) from error


def make_wire(settings: Settings) -> Wire:
    """The wire format that SCHEMA_REGISTRY_URL and ALERT_FORMAT require.

    Raises:
        SettingsError: the extra ``registry`` is not installed, or the client rejects a setting.
        RegistryStoppedError: the registry does not answer, or refuses the alerts' schema.
    """
    if settings.schema_registry_url is None:
        plain = settings.unknown_fields is UnknownFields.FLAG
        return PLAIN if plain else Wire(partial(decode, unknown=settings.unknown_fields))
    with _extra(settings):
        from consumer.registry.client import connect  # noqa: PLC0415 - an extra
    return wire_of(settings, connect(settings))


def wire_of(settings: Settings, registry: "Registry") -> Wire:
    """The wire format that ALERT_FORMAT requires, with the schemas of a registry.

    Raises:
        SettingsError: the extra ``registry`` is not installed.
        RegistryStoppedError: the registry does not answer, or refuses the alerts' schema.
    """
    with _extra(settings):
        from consumer.registry.alerts import make_frame  # noqa: PLC0415 - an extra
        from consumer.registry.claims import FramedClaims  # noqa: PLC0415
    plain = settings.alert_format is AlertFormat.JSON
    read = FramedClaims(registry, settings.unknown_fields)
    return Wire(read, as_it_is if plain else make_frame(settings, registry), read.prepare)


def json_of(settings: Settings) -> Callable[[bytes], bytes]:
    """For readers of alerts: a function that returns the JSON of a value, framed or plain.

    It raises `RefusedError` for a value that cannot be read, and `RegistryStoppedError`.

    Raises:
        SettingsError, RegistryStoppedError: as for `make_wire`.
    """
    if settings.schema_registry_url is None:
        return lambda value: value
    with _extra(settings):
        from consumer.registry.claims import Frames  # noqa: PLC0415 - an extra
        from consumer.registry.client import connect  # noqa: PLC0415
    return Frames(connect(settings)).as_json
