"""Checks of `doctor` on files: models, rules, keys and certificates."""

import os
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Final, NamedTuple

from consumer.dead_letters.encryption import read_keys
from consumer.doctor.findings import Diagnosis, State, ok, tried, unknown, warning, wrong
from consumer.errors import ModelRefusedError, SettingsError
from consumer.memory.assembly import memory_secret
from consumer.models.service import rules_of, signature_check
from consumer.models.shadow import refuse_beside
from consumer.server.listen import tls
from consumer.settings.settings import Remember, Settings
from model.artifact.store import ArtifactError
from model.history.keys import fingerprint
from model.scoring.load import load as load_model
from model.scoring.rules import RuleError
from model.scoring.scorer import Scorer

EVERYBODY_READS: Final = 0o004
OF_THE_CLIENT: Final = {
    "ssl.key.location": "KAFKA_SSL_KEY_LOCATION",
    "ssl.keystore.location": "KAFKA_SSL_KEYSTORE_LOCATION",
    "sasl.kerberos.keytab": "KAFKA_SASL_KERBEROS_KEYTAB",
    "sasl.oauthbearer.assertion.private.key.file": (
        "KAFKA_SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE"
    ),
}


class SecretFile(NamedTuple):
    """A file with a secret in it."""

    setting: str
    path: Path
    mode: int | None
    """Permission bits; None if there is no such file."""
    readable: bool


def files(settings: Settings) -> Iterator[Diagnosis]:
    """Check all files that settings refer to and that are loaded at startup, as a worker does."""
    rules = tried("rules", lambda: _rules(settings), "fix the file that RULES_FILE names")
    key = tried("signing key", lambda: _signing(settings), "provide a PEM file with a public key")
    yield rules
    yield key
    if State.WRONG in {rules.state, key.state}:
        yield unknown("model", "not loaded", "fix RULES_FILE and MODEL_PUBLIC_KEY_FILE first")
    else:
        yield from _models(settings)
    yield from _loaded_keys(settings)
    for setting, path in secret_files(settings):
        yield judge_secret(look_at(setting, path))


def _rules(settings: Settings) -> str:
    rules_of(settings)
    if settings.rules_file is None:
        return "those shipped with the product"
    return f"those in {settings.rules_file}"


def _signing(settings: Settings) -> str:
    signature_check(settings)
    file = settings.model_public_key_file
    return "none: models need not be signed" if file is None else f"{file}: models must be signed"


def _models(settings: Settings) -> Iterator[Diagnosis]:
    load = cache(partial(_load, settings))
    served, shadow = settings.model_dir, settings.shadow_model_dir
    found = _model(settings, "model", f"MODEL_DIR={served}", lambda: load(served))
    yield found
    if shadow is None:
        return
    if found.state is State.WRONG:
        yield unknown("shadow model", "not loaded", "fix MODEL_DIR first")
        return

    def challenger() -> Scorer:
        refuse_beside(load(served), load(shadow))
        return load(shadow)

    yield _model(settings, "shadow model", f"SHADOW_MODEL_DIR={shadow}", challenger)


def _load(settings: Settings, folder: Path) -> Scorer:
    remembers = settings.memory is Remember.ON
    return load_model(folder, rules_of(settings), signature_check(settings), remembers=remembers)


def _model(settings: Settings, check: str, setting: str, load: Callable[[], Scorer]) -> Diagnosis:
    def look() -> str:
        try:
            found = load()
        except ArtifactError as error:
            raise ModelRefusedError(f"{setting}: {error}") from error
        except RuleError as error:
            raise SettingsError(str(error)) from error
        signed = "not required" if settings.model_public_key_file is None else "valid"
        return (
            f"{found.name} {found.version} loads, format {found.manifest.format_version}, "
            f"{len(found.features)} features, golden examples as recorded, signature {signed}"
        )

    return tried(check, look, "retrain, roll back, sign, or chmod o-w, as the message says")


def _loaded_keys(settings: Settings) -> Iterator[Diagnosis]:
    letters = settings.dead_letter_key_file
    if letters is not None:

        def keys() -> str:
            read_keys(letters)
            return f"{letters} contains keys"

        yield tried("dead-letter keys", keys, "create one with: openssl rand -base64 32")
    memory = settings.memory_key_file
    if settings.memory is Remember.ON and memory is not None:

        def secret() -> str:
            return f"{memory} contains a key, fingerprint {fingerprint(memory_secret(settings))}"

        yield tried("memory key", secret, "create one with: openssl rand -base64 32")
    for name, certificate, key in (
        ("METRICS_TLS", settings.metrics_tls_cert, settings.metrics_tls_key),
        ("API_TLS", settings.api_tls_cert, settings.api_tls_key),
    ):
        if certificate is not None:

            def pair(
                name: str = name, certificate: Path = certificate, key: Path | None = key
            ) -> str:
                tls(certificate, key, name)
                return f"{certificate} and its key match"

            yield tried(name, pair, "provide the PEM files of a certificate and its private key")


def secret_files(settings: Settings) -> list[tuple[str, Path]]:
    """Files with private keys, by the setting that names them."""
    named = [
        ("DEAD_LETTER_KEY_FILE", settings.dead_letter_key_file),
        ("MEMORY_KEY_FILE", settings.memory_key_file),
        ("METRICS_TLS_KEY", settings.metrics_tls_key),
        ("API_TLS_KEY", settings.api_tls_key),
        ("SCHEMA_REGISTRY_TLS_KEY", settings.schema_registry_tls_key),
    ]
    of_client = [
        (setting, Path(settings.librdkafka[name]))
        for name, setting in OF_THE_CLIENT.items()
        if name in settings.librdkafka
    ]
    return [*((setting, path) for setting, path in named if path is not None), *of_client]


def look_at(setting: str, path: Path) -> SecretFile:
    """The file as reported by the operating system."""
    mode = path.stat().st_mode if path.exists() else None
    return SecretFile(setting, path, mode, os.access(path, os.R_OK))


def judge_secret(file: SecretFile) -> Diagnosis:
    """Check that a secret is readable by this process, but not by everyone."""
    if file.mode is None or not file.readable:
        what = "does not exist" if file.mode is None else "cannot be read by this user"
        return wrong(file.setting, f"{file.path} {what}", "provide a file this user can read", 2)
    if file.mode & EVERYBODY_READS:
        return warning(
            file.setting,
            f"everyone on this machine can read {file.path}",
            f"chmod o-r {file.path}",
        )
    return ok(file.setting, f"{file.path} is readable, but not by everyone")
