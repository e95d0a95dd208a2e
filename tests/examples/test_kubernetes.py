"""The examples for Kubernetes: valid by its own schemas, and what they say fits together."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from proxy.settings import Settings
from tests.examples.deployment import (
    EXAMPLES,
    UWSGI_STOP_S,
    check_upstream,
    image_user,
    needs_s,
    read_all,
    settings_of,
)

HERE = EXAMPLES / "kubernetes"
FILES = sorted(HERE.glob("*.yaml"))
PODS = [file for file in FILES if file.name != "service.yaml"]
OLDEST = {"deployment.yaml": "1.29", "service.yaml": "1.25"}
"""Which version of Kubernetes knows all that is in a file; 1.25 for the others."""

every_pod = pytest.mark.parametrize("file", PODS, ids=lambda file: file.name)


class Pod:
    """What a file describes."""

    def __init__(self, file: Path) -> None:
        (self.deployment,) = read_all(file)
        self.template = self.deployment["spec"]["template"]
        self.spec: dict[str, Any] = self.template["spec"]
        self.sidecars = self.spec.get("initContainers", [])
        everyone = [*self.sidecars, *self.spec["containers"]]
        by_name = {one["name"]: one for one in everyone}
        self.frontend, self.uwsgi = by_name["frontend"], by_name["uwsgi"]

    @property
    def settings(self) -> Settings:
        return settings_of({one["name"]: one["value"] for one in self.frontend["env"]})


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_kubernetes_knows_all_of_it(file: Path) -> None:
    (document,) = read_all(file)
    newest = kubernetes_validate.latest_version()
    for version in (OLDEST.get(file.name, "1.25"), newest):
        kubernetes_validate.validate(document, version, strict=True)


@every_pod
def test_the_variables_are_settings(file: Path) -> None:
    check_upstream(Pod(file).settings)


@every_pod
def test_ports_and_probes(file: Path) -> None:
    pod = Pod(file)
    server = pod.settings.server
    assert server.admin is not None
    ports = {one["name"]: one["containerPort"] for one in pod.frontend["ports"]}
    assert ports == {"http": server.listen[0].port, "admin": server.admin.port}
    probes = {name: pod.frontend[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness")}
    assert all(probe == {"path": "/livez", "port": "admin"} for probe in probes.values())
    assert pod.frontend["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}
    notes = pod.template["metadata"]["annotations"]
    assert notes["prometheus.io/port"] == str(server.admin.port)
    assert notes["prometheus.io/path"] == "/metrics"


@every_pod
def test_the_delay_is_longer_than_readiness_takes(file: Path) -> None:
    pod = Pod(file)
    probe = pod.frontend["readinessProbe"]
    seen_s = probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]
    assert pod.settings.server.drain_delay_s > seen_s


@every_pod
def test_there_is_time_to_stop_in_order(file: Path) -> None:
    pod = Pod(file)
    assert pod.spec["terminationGracePeriodSeconds"] > needs_s(pod.settings) + UWSGI_STOP_S
    if pod.uwsgi in pod.sidecars:
        assert pod.uwsgi["restartPolicy"] == "Always"
        return
    command = pod.uwsgi["lifecycle"]["preStop"]["exec"]["command"]
    assert pod.settings.server.admin is not None
    assert f'("127.0.0.1", {pod.settings.server.admin.port})' in command[-1]
    compile(command[-1], "preStop", "exec")


@every_pod
def test_both_see_the_socket_in_one_volume(file: Path) -> None:
    pod = Pod(file)
    (backend,) = pod.settings.upstream.backends
    for container in (pod.uwsgi, pod.frontend):
        places = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
        assert backend.address.path.startswith(f"{places['socket']}/")
        assert pod.settings.buffers.spool_dir in places.values()
        assert set(places) <= {volume["name"] for volume in pod.spec["volumes"]}


@every_pod
def test_it_meets_the_restricted_standard(file: Path) -> None:
    pod = Pod(file)
    uid, gid = image_user()
    common = pod.spec["securityContext"]
    assert common["runAsNonRoot"]
    assert common["seccompProfile"] == {"type": "RuntimeDefault"}
    assert common["runAsGroup"] == common["fsGroup"] == gid
    for container in (pod.uwsgi, pod.frontend):
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
    assert pod.frontend["securityContext"]["runAsUser"] == uid
    assert pod.uwsgi["securityContext"]["runAsUser"] != uid


@every_pod
def test_the_service_finds_the_pods(file: Path) -> None:
    pod = Pod(file)
    (service,) = read_all(HERE / "service.yaml")
    labels = pod.template["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert pod.deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    names = {one["name"] for one in pod.frontend["ports"]}
    assert {one["targetPort"] for one in service["spec"]["ports"]} <= names - {"admin"}
