"""The bearer token, TLS, and the settings of both."""

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from consumer.errors import SettingsError
from consumer.server.listen import tls
from consumer.settings.settings import read_settings
from schemas import examples
from tests.http.running import Server, running

pytestmark = pytest.mark.slow

TOKEN = "a-token-nobody-would-guess"


@pytest.fixture(scope="module")
def guarded(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    file = tmp_path_factory.mktemp("secret") / "token"
    file.write_text(TOKEN + "\n")
    with running(model_dir, API_TOKEN_FILE=str(file)) as found:
        yield found


def score(server: Server, authorization: str | None) -> httpx.Response:
    headers = {} if authorization is None else {b"Authorization": authorization.encode("latin-1")}
    return httpx.post(f"{server.url}/fraud-detection", json=examples.REAR_END, headers=headers)


@pytest.mark.parametrize("authorization", [f"Bearer {TOKEN}", f"bearer  {TOKEN}"])
def test_the_token_opens(guarded: Server, authorization: str) -> None:
    assert score(guarded, authorization).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \xe9"],
)
def test_anything_else_is_401(guarded: Server, authorization: str | None) -> None:
    response = score(guarded, authorization)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in response.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 401),
        ("/openapi.json", 401),
        ("/nowhere", 401),
    ],
)
def test_what_is_free(guarded: Server, path: str, status: int) -> None:
    assert httpx.get(guarded.url + path).status_code == status


def test_the_token_is_neither_logged_nor_measured(guarded: Server) -> None:
    score(guarded, f"Bearer {TOKEN}")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert TOKEN not in httpx.get(f"{guarded.url}/metrics", headers=headers).text
    assert TOKEN not in guarded.log


class Pair(NamedTuple):
    certificate: Path
    key: Path


def self_signed(folder: Path) -> Pair:
    pair = Pair(folder / "cert.pem", folder / "key.pem")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-out", str(pair.certificate), "-keyout", str(pair.key)]
    subprocess.run(command, check=True, capture_output=True)
    return pair


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return self_signed(tmp_path_factory.mktemp("tls"))


def test_tls(model_dir: Path, pair: Pair) -> None:
    settings = {"API_TLS_CERT": str(pair.certificate), "API_TLS_KEY": str(pair.key)}
    with running(model_dir, **settings) as server:
        context = ssl.create_default_context(cafile=str(pair.certificate))
        url = f"https://127.0.0.1:{server.port}/fraud-detection"
        assert httpx.post(url, json=examples.REAR_END, verify=context).status_code == 200
        with pytest.raises(httpx.ConnectError, match="self-signed"):
            httpx.post(url, json=examples.REAR_END)
        with pytest.raises(httpx.TransportError):
            httpx.post(f"{server.url}/fraud-detection", json=examples.REAR_END)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(str(pair.certificate))
        with pytest.warns(DeprecationWarning):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(httpx.ConnectError):
            httpx.post(url, json=examples.REAR_END, verify=old)
        assert server.stop() == 0


def test_a_wrong_certificate_is_refused_by_the_settings_name(pair: Pair, tmp_path: Path) -> None:
    other = self_signed(tmp_path)
    wrong = [(pair.key, None), (pair.certificate, other.key), (Path("/nowhere.pem"), None)]
    for certificate, key in wrong:
        with pytest.raises(SettingsError, match="API_TLS_CERT"):
            tls(certificate, key)
    assert tls(None, None) is None


def test_a_key_with_a_password_is_refused_and_not_asked_for(pair: Pair, tmp_path: Path) -> None:
    locked = tmp_path / "locked.pem"
    command = ["openssl", "ec", "-in", str(pair.key), "-aes256", "-passout", "pass:x"]
    subprocess.run([*command, "-out", str(locked)], check=True, capture_output=True)
    with pytest.raises(SettingsError, match="API_TLS_KEY"):
        tls(pair.certificate, locked)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"API_TOKEN": "short"}, "at least 16"),
        ({"API_TOKEN": ""}, "at least 16"),
        ({"API_TOKEN": "with a space in the middle"}, "space"),
        ({"API_TOKEN": TOKEN, "API_TOKEN_FILE": "/run/token"}, "not both"),
        ({"API_TOKEN_FILE": "/nowhere/token"}, "API_TOKEN_FILE='/nowhere/token'"),
        ({"API_TLS_KEY": "/run/key.pem"}, "API_TLS_KEY needs API_TLS_CERT"),
    ],
)
def test_wrong_settings_are_named(environ: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told) as refused:
        read_settings(environ)
    assert "short" not in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_settings_of_the_token() -> None:
    assert read_settings({}).api_token is None
    assert read_settings({"API_TOKEN": TOKEN}).api_token == TOKEN
