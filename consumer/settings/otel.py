"""Checks of the standard OTEL_* variables that decide where spans go. Pure."""

from collections.abc import Mapping
from typing import Final

from consumer.errors import SettingsError
from consumer.settings.environment import split_url

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
PROTOCOL: Final = "http/protobuf"
COUNTS: Final = (
    "OTEL_BSP_EXPORT_TIMEOUT",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_SCHEDULE_DELAY",
)
SAMPLERS: Final = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)
"""Samplers of the OpenTelemetry specification that the SDK includes."""


def check_otel(environ: Mapping[str, str]) -> None:
    """Reject what the SDK would only warn about, or fail at on every export.

    Raises:
        SettingsError: an endpoint, a protocol or the sampler is invalid.
    """
    for name in ENDPOINTS:
        value = environ.get(name, "").strip()
        if value:
            split_url(name, value)
    for name in COUNTS:
        value = environ.get(name, "").strip()
        if value and not (value.isascii() and value.isdigit() and int(value)):
            raise SettingsError(f"{name}={value!r} is not a whole number of 1 or more")
    for name in PROTOCOLS:
        value = environ.get(name, "").strip()
        if value not in {"", PROTOCOL}:
            raise SettingsError(f"{name}={value!r} is not {PROTOCOL}, the only one supported here")
    sampler = environ.get("OTEL_TRACES_SAMPLER", "").strip()
    if sampler and sampler not in SAMPLERS:
        raise SettingsError(
            f"OTEL_TRACES_SAMPLER must be one of {', '.join(SAMPLERS)}; got {sampler!r}"
        )
