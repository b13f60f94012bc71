"""In what form claims come and alerts go: plain JSON, or in the frames of a Schema Registry."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from consumer.batch.edges import PLAIN, Wire, as_it_is
from consumer.errors import SettingsError
from consumer.settings.settings import AlertFormat, Settings


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
        from consumer.registry.alerts import make_frame  # noqa: PLC0415 - an extra
        from consumer.registry.claims import FramedClaims  # noqa: PLC0415
        from consumer.registry.client import connect  # noqa: PLC0415
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
        from consumer.registry.claims import Frames  # noqa: PLC0415 - an extra
        from consumer.registry.client import connect  # noqa: PLC0415
    return Frames(connect(settings)).as_json
