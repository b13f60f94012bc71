"""A broker that requires authentication: TLS with SCRAM, mTLS, and access rules.

The plain listener is for the tests' own administration only.
"""

import contextlib
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.broker.native import NativeKafka
from tests.broker.ports import free_ports
from tests.deploy.tools import need

AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"


class Right(NamedTuple):
    """A principal's right on a resource, or on all with that name prefix."""

    kind: ResourceType
    name: str
    operation: AclOperation
    prefixed: bool = False


class Certificates:
    """A certificate authority of the test's own, and what it signed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.authority = folder / "ca.pem"
        self._openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test ca",
            "-keyout", "ca.key", "-out", "ca.pem",
        )  # fmt: skip

    def sign(self, name: str, passphrase: str | None = None) -> tuple[Path, Path]:
        """A certificate for CN=name on localhost, and its key."""
        secret = ["-aes256", "-pass", f"pass:{passphrase}"] if passphrase else []
        self._openssl("genpkey", "-algorithm", "RSA", *secret, "-out", f"{name}.key")
        given = ["-passin", f"pass:{passphrase}"] if passphrase else []
        self._openssl(
            "req", "-new", "-key", f"{name}.key", *given, "-subj", f"/CN={name}",
            "-out", f"{name}.csr",
        )  # fmt: skip
        (self._folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        self._openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", f"{name}.pem",
        )  # fmt: skip
        return self._folder / f"{name}.pem", self._folder / f"{name}.key"

    def _openssl(self, *arguments: str) -> None:
        command = [need("openssl", "OpenSSL"), *arguments]
        subprocess.run(command, cwd=self._folder, check=True, capture_output=True)


class Secured:
    """The broker's addresses, and who may do what."""

    def __init__(self, admin: str, scram: str, mtls: str, certificates: Certificates) -> None:
        self.admin_address, self.scram, self.mtls = admin, scram, mtls
        self.certificates = certificates
        self._admin = AdminClient({"bootstrap.servers": admin})

    def user(self, name: str, password: str) -> None:
        """Let the user in by SCRAM."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        wanted = UserScramCredentialUpsertion(name, info, password.encode())
        for future in self._admin.alter_user_scram_credentials([wanted]).values():
            future.result(60)

    def allow(self, principal: str, rights: Iterable[Right]) -> None:
        """Give the principal these rights."""
        bindings = [
            AclBinding(
                right.kind,
                right.name,
                ResourcePatternType.PREFIXED if right.prefixed else ResourcePatternType.LITERAL,
                f"User:{principal}",
                "*",
                right.operation,
                AclPermissionType.ALLOW,
            )
            for right in rights
        ]
        for future in (self._admin.create_acls(bindings) if bindings else {}).values():
            future.result(60)


@contextlib.contextmanager
def secured(native: type[NativeKafka], folder: Path) -> Iterator[Secured]:
    """Run the broker."""
    certificates = Certificates(folder)
    certificate, key = certificates.sign("broker")
    store = folder / "broker-store.pem"
    store.write_text(key.read_text() + certificate.read_text())
    scram, mtls, controller = free_ports(3)
    settings: dict[str, str] = {
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listener.security.protocol.map": "DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
        "SCRAM:SASL_SSL,MTLS:SSL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.scram.scram-sha-512.sasl.jaas.config":
            "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        "listener.name.mtls.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.authority),
        "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/",
        "authorizer.class.name": AUTHORIZER,
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "false",
    }  # fmt: skip
    planned = native(settings=settings)
    ports: Mapping[str, int] = {"DIRECT": planned.node.direct_port, "SCRAM": scram, "MTLS": mtls}
    advertised = [f"{name}://127.0.0.1:{port}" for name, port in ports.items()]
    settings["advertised.listeners"] = ",".join(advertised)
    settings["listeners"] = ",".join([*advertised, f"CONTROLLER://127.0.0.1:{controller}"])
    with planned:
        yield Secured(planned.direct, f"127.0.0.1:{scram}", f"127.0.0.1:{mtls}", certificates)
