"""Kubernetes manifests: of the schemas of Kubernetes and KEDA, and agreeing with the product."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from consumer.settings.settings import Forward, read_settings
from consumer.stop import LIMIT_S
from tests.deploy.tools import DEPLOY, ROOT, need

FOLDER = DEPLOY / "kubernetes"
QUICK = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
KEDA = "github.com/kedacore/keda/v2"
KEDA_VERSION = "v2.16.1"
KUBERNETES = ("1.29", kubernetes_validate.latest_version())

Manifest = dict[str, Any]
FILES = sorted(p for p in FOLDER.glob("*.yaml") if p.name != "kustomization.yaml")
MANIFESTS: list[Manifest] = [m for path in FILES for m in yaml.safe_load_all(path.read_text())]
OF_KEDA = [m for m in MANIFESTS if m["apiVersion"].startswith("keda.sh/")]
OF_KUBERNETES = [m for m in MANIFESTS if m not in OF_KEDA]
PODS = [m for m in MANIFESTS if m["kind"] in {"StatefulSet", "Deployment"}]


def name_of(manifest: Manifest) -> str:
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


def find(kind: str, name: str) -> Manifest:
    (found,) = [m for m in MANIFESTS if m["kind"] == kind and m["metadata"]["name"] == name]
    return found


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("manifest", OF_KUBERNETES, ids=name_of)
def test_a_manifest_is_of_the_schema(manifest: Manifest, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_the_schema_finds_a_mistake() -> None:
    broken = json.loads(json.dumps(find("StatefulSet", "worker")))
    broken["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, KUBERNETES[0], strict=True)


@pytest.fixture(scope="module")
def keda_schemas() -> dict[str, Any]:
    """Schemas of KEDA's kinds, from its own definitions."""
    command = [need("go", "Go"), "mod", "download", "-json", f"{KEDA}@{KEDA_VERSION}"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "GOFLAGS": ""}
    )
    if done.returncode:
        pytest.skip(f"KEDA's definitions cannot be had: {done.stdout or done.stderr}")
    bases = Path(json.loads(done.stdout)["Dir"]) / "config" / "crd" / "bases"
    found = {}
    for path in bases.glob("*.yaml"):
        spec = yaml.load(path.read_text(), QUICK)["spec"]
        for version in spec["versions"]:
            key = f"{spec['group']}/{version['name']}/{spec['names']['kind']}"
            found[key] = closed(version["schema"]["openAPIV3Schema"])
    return found


def closed(schema: Any) -> Any:
    """The schema so that a field it does not name is refused, as the API server prunes it."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(part) for name, part in schema.items()}
    if "properties" in made and "additionalProperties" not in made:
        made["additionalProperties"] = False
        # Every manifest has these; the definition leaves them to the API server.
        if "spec" in made["properties"]:
            made["properties"]["metadata"] = {"type": "object"}
    return made


@pytest.mark.slow
@pytest.mark.parametrize("manifest", OF_KEDA, ids=name_of)
def test_a_manifest_is_of_kedas_schema(manifest: Manifest, keda_schemas: dict[str, Any]) -> None:
    schema = keda_schemas[f"{manifest['apiVersion']}/{manifest['kind']}"]
    jsonschema.validate(manifest, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**manifest, "spec": {**manifest["spec"], "minReplicas": 1}}, schema)


def test_every_file_is_applied() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == [path.name for path in FILES]


def test_the_settings_are_accepted_by_the_product(tmp_path: Path) -> None:
    data = dict(find("ConfigMap", "fraud-scorer")["data"])
    for name in [name for name in data if name.endswith("_FILE")]:
        (tmp_path / name).write_text("secret")
        assert data[name].startswith("/etc/kafka/")
        data[name] = str(tmp_path / name)
    settings = read_settings(data)
    assert settings.librdkafka["sasl.password"] == "secret"
    assert settings.librdkafka["security.protocol"] == "SASL_SSL"


def test_the_secret_holds_what_the_settings_read() -> None:
    data = find("ConfigMap", "fraud-scorer")["data"]
    paths = {value for value in data.values() if value.startswith("/etc/kafka/")}
    assert paths == {f"/etc/kafka/{key}" for key in find("Secret", "kafka")["stringData"]}


def test_a_worker_is_named_after_its_pod() -> None:
    (container,) = find("StatefulSet", "worker")["spec"]["template"]["spec"]["containers"]
    (instance,) = [e for e in container["env"] if e["name"] == "INSTANCE_ID"]
    assert instance["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


def test_no_number_of_workers_is_fought_over() -> None:
    assert "replicas" not in find("StatefulSet", "worker")["spec"]


def test_the_scaler_looks_where_the_worker_reads() -> None:
    data = find("ConfigMap", "fraud-scorer")["data"]
    (trigger,) = find("ScaledObject", "worker")["spec"]["triggers"]
    assert trigger["metadata"]["topic"] == data["CLAIMS_TOPIC"]
    assert trigger["metadata"]["consumerGroup"] == data["CONSUMER_GROUP"]
    assert trigger["metadata"]["bootstrapServers"] == data["KAFKA_BOOTSTRAP_SERVERS"]


def test_nothing_is_killed_before_it_ends_by_itself() -> None:
    """Kubernetes waits for 30 seconds unless told otherwise, Compose for 10."""
    pods = [m["spec"]["template"]["spec"] for m in PODS]
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values()
    allowed = [pod.get("terminationGracePeriodSeconds", 30) for pod in pods]
    allowed += [int(s.get("stop_grace_period", "10s").removesuffix("s")) for s in services]
    assert min(allowed) > LIMIT_S


@pytest.mark.parametrize("manifest", PODS, ids=name_of)
def test_a_pod_has_no_more_rights_than_it_needs(manifest: Manifest) -> None:
    pod = manifest["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    for container in pod["containers"]:
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"]
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)


@pytest.mark.parametrize("manifest", PODS, ids=name_of)
def test_a_pod_runs_as_the_user_of_the_image(manifest: Manifest) -> None:
    dockerfile = (DEPLOY.parent / "Dockerfile").read_text()
    found = re.search(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE)
    assert found is not None
    context = manifest["spec"]["template"]["spec"]["securityContext"]
    assert [str(context["runAsUser"]), str(context["runAsGroup"])] == list(found.groups())


COMPONENT = "components: [forwarding]"


@pytest.fixture
def forwarding(tmp_path: Path) -> list[Manifest]:
    """Everything that is applied, with the component that makes HTTP the intake."""
    kubectl = need("kubectl", "kubectl")
    folder = tmp_path / "kubernetes"
    shutil.copytree(FOLDER, folder)
    listed = folder / "kustomization.yaml"
    text = listed.read_text()
    assert f"\n# {COMPONENT} #" in text
    listed.write_text(text.replace(f"# {COMPONENT}", COMPONENT))
    done = subprocess.run(
        [kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_the_api_can_forward_where_the_component_is_used(forwarding: list[Manifest]) -> None:
    made = {name_of(manifest): manifest for manifest in forwarding}
    policy, api = made["NetworkPolicy-api-to-kafka"], made["Deployment-api"]
    for manifest in (policy, api):
        kubernetes_validate.validate(manifest, KUBERNETES[0], strict=True)
    # It reaches what a worker reaches, and nothing without the component.
    assert policy["spec"]["podSelector"] == {"matchLabels": api["spec"]["selector"]["matchLabels"]}
    assert policy["spec"]["egress"] == made["NetworkPolicy-kafka-clients"]["spec"]["egress"]
    assert "egress" not in find("NetworkPolicy", "api")["spec"]
    pod = api["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    env = {entry["name"]: entry.get("value", "pod") for entry in container["env"]}
    assert {"API_FORWARD", "API_HOST", "INSTANCE_ID", "MODEL_DIR"} == env.keys()
    assert read_settings(env).api_forward is Forward.CLAIMS
    assert container["envFrom"] == [{"configMapRef": {"name": "fraud-scorer"}}]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {"kafka": "/etc/kafka", "models": "/models", "tmp": "/tmp"}
    assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}
