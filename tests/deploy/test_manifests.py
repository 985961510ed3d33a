"""The manifests: valid for Kubernetes, and true to the gateway that they run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml
from kubernetes_validate import ValidationError, validate

from gateway import config as configuration
from gateway.config import Config
from gateway.policy.egress.entry import Action
from gateway.serve.metrics import Metrics
from tests.deploy.manifests import EXAMPLE, ROOT, Object, build
from tests.deploy.network import has

FOLDERS = ("base", "redis", "agents", EXAMPLE)
DEPLOYED = ("base", EXAMPLE)
VERSIONS = ("1.30", "1.37")
"""The first with `sleep` before SIGTERM and without a switch for it, and the newest that there are schemas of."""

ENDING = 16.0
"""Seconds that a gateway may take beyond `drain` (docs/operations.md, "Workers")."""


def config(folder: str) -> Config:
    return configuration.parse(build(folder).toml, "/etc/lockgate/lockgate.toml")


def volumes(pod: Object) -> dict[str, Object]:
    return {volume["name"]: volume for volume in pod["volumes"]}


def mounts(container: Object) -> dict[str, Object]:
    return {mount["mountPath"]: mount for mount in container["volumeMounts"]}


def containers(pod: Object) -> Iterator[Object]:
    yield from pod.get("initContainers", ())
    yield from pod["containers"]


class TestSchemas:
    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize("folder", FOLDERS)
    def test_each_object_is_valid_and_has_no_key_that_kubernetes_does_not_know(self, folder: str, version: str) -> None:
        assert {validate(dict(found), version, strict=True) for found in build(folder).objects} == {version}

    def test_a_key_that_kubernetes_does_not_know_is_found(self) -> None:
        wrong: dict[str, Any] = deepcopy(dict(build("base").get("Deployment", "lockgate")))
        wrong["spec"]["template"]["spec"]["containers"][0]["readOnly"] = True
        with pytest.raises(ValidationError, match="readOnly"):
            validate(wrong, VERSIONS[0], strict=True)

    def test_each_file_is_used(self) -> None:
        """What a kustomization does not list is not deployed, and nobody would miss it."""
        for folder in FOLDERS:
            listed = yaml.safe_load((ROOT / folder / "kustomization.yaml").read_text())
            used = [*listed["resources"], *(patch["path"] for patch in listed.get("patches", ()))]
            used += [file for made in listed.get("configMapGenerator", ()) for file in made["files"]]
            there = {path.name for path in (ROOT / folder).iterdir()} - {"kustomization.yaml", "users.acl"}
            assert {name for name in used if not name.startswith("..")} == there, folder


@pytest.mark.parametrize("folder", [*DEPLOYED, "redis"])
class TestSafety:
    def test_no_pod_has_more_rights_than_it_needs(self, folder: str) -> None:
        for name, _, template in build(folder).pods():
            pod = template["spec"]
            assert pod["automountServiceAccountToken"] is False, name
            assert pod["securityContext"]["runAsNonRoot"] is True, name
            assert pod["securityContext"]["runAsUser"] > 0, name
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
            assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), name
            for container in containers(pod):
                assert container["securityContext"] == {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                }, container["name"]
                assert "memory" in container["resources"]["limits"], container["name"]

    def test_no_value_of_a_secret_is_in_the_manifests(self, folder: str) -> None:
        assert not list(build(folder).of_kind("Secret"))
        for _, _, template in build(folder).pods():
            for container in containers(template["spec"]):
                given = [entry["name"] for entry in container.get("env", ()) if "value" in entry]
                assert given in ([], ["LOCKGATE_CONFIG"])


@pytest.mark.parametrize("folder", DEPLOYED)
class TestReferences:
    def test_selectors_choose_the_pods_they_mean(self, folder: str) -> None:
        manifests = build(folder)
        labels = {name: template["metadata"]["labels"] for name, _, template in manifests.pods()}
        for name, spec, _ in manifests.pods():
            assert [one for one in labels if has(labels[one], spec["selector"])] == [name]
        for service in manifests.of_kind("Service"):
            name = service["metadata"]["name"].removesuffix("-admin")
            assert [one for one in labels if has(labels[one], {"matchLabels": service["spec"]["selector"]})] == [name]
        for budget in manifests.of_kind("PodDisruptionBudget"):
            assert [one for one in labels if has(labels[one], budget["spec"]["selector"])] == ["lockgate"]
        (spread,) = manifests.gateway["topologySpreadConstraints"]
        assert [one for one in labels if has(labels[one], spread["labelSelector"])] == ["lockgate"]

    def test_services_lead_to_ports_that_there_are(self, folder: str) -> None:
        manifests = build(folder)
        ports = {
            name: {
                port["name"]: port["containerPort"] for one in template["spec"]["containers"] for port in one["ports"]
            }
            for name, _, template in manifests.pods()
        }
        for service in manifests.of_kind("Service"):
            to = ports[service["metadata"]["name"].removesuffix("-admin")]
            for port in service["spec"]["ports"]:
                assert port["port"] == to[port["targetPort"]]

    def test_only_the_admin_service_leads_to_the_admin_listener(self, folder: str) -> None:
        for service in build(folder).of_kind("Service"):
            leads = {port["targetPort"] for port in service["spec"]["ports"]}
            assert ("admin" in leads) == (service["metadata"]["name"] == "lockgate-admin")
            assert service["spec"].get("type", "ClusterIP") == "ClusterIP"

    def test_each_mount_has_its_volume_and_each_volume_its_source(self, folder: str) -> None:
        manifests = build(folder)
        maps = {found["metadata"]["name"] for found in manifests.of_kind("ConfigMap")}
        claims = {found["metadata"]["name"] for found in manifests.of_kind("PersistentVolumeClaim")}
        for _, spec, template in manifests.pods():
            pod = template["spec"]
            made = {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", ())}
            named = volumes(pod)
            assert {mount["name"] for one in containers(pod) for mount in one["volumeMounts"]} == named.keys() | made
            for volume in named.values():
                assert volume.get("configMap", {"name": None})["name"] in maps | {None}
                assert volume.get("persistentVolumeClaim", {"claimName": None})["claimName"] in claims | {None}

    def test_the_autoscaler_alone_says_how_many_gateways_there_are(self, folder: str) -> None:
        manifests = build(folder)
        deployment = manifests.get("Deployment", "lockgate")
        target = manifests.get("HorizontalPodAutoscaler", "lockgate")["spec"]["scaleTargetRef"]
        assert target == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "lockgate"}
        assert "replicas" not in deployment["spec"]

    def test_a_drain_of_nodes_leaves_a_gateway(self, folder: str) -> None:
        manifests = build(folder)
        fewest = manifests.get("HorizontalPodAutoscaler", "lockgate")["spec"]["minReplicas"]
        assert manifests.get("PodDisruptionBudget", "lockgate")["spec"]["maxUnavailable"] < fewest

    def test_everything_names_its_namespace(self, folder: str) -> None:
        manifests = build(folder)
        known = {found["metadata"]["name"] for found in manifests.of_kind("Namespace")}
        for found in manifests.objects:
            assert found["kind"] == "Namespace" or found["metadata"]["namespace"] in known


@pytest.mark.parametrize("folder", DEPLOYED)
class TestConfiguration:
    """The manifests and the lockgate.toml in them say the same."""

    def test_it_is_the_file_that_the_gateway_reads(self, folder: str) -> None:
        env = {entry["name"]: entry.get("value") for entry in build(folder).container["env"]}
        assert env["LOCKGATE_CONFIG"] == "/etc/lockgate/lockgate.toml"
        mount = mounts(build(folder).container)["/etc/lockgate"]
        source = volumes(build(folder).gateway)[mount["name"]]["configMap"]["name"]
        assert source == build(folder).get("ConfigMap", "lockgate")["metadata"]["name"]
        assert mount["readOnly"] is True

    def test_each_credential_it_names_is_given_and_no_other(self, folder: str) -> None:
        given = {
            entry["name"] for entry in build(folder).container["env"] if "secretKeyRef" in entry.get("valueFrom", {})
        }
        assert given == configuration.variables(config(folder))

    def test_the_ports_are_those_it_listens_on_at_every_address(self, folder: str) -> None:
        ports = {port["name"]: port["containerPort"] for port in build(folder).container["ports"]}
        found = config(folder)
        listens = {"base-url": found.gateway.listen, "proxy": found.proxy.listen, "admin": found.admin.listen}
        assert ports == {name: at.port for name, at in listens.items()}
        assert {at.host for at in listens.values()} == {"0.0.0.0"}

    def test_policies_are_about_the_ports_it_listens_on(self, folder: str) -> None:
        manifests, found = build(folder), config(folder)
        wanted = {
            "gateway-from-agents": {found.gateway.listen.port, found.proxy.listen.port},
            "gateway-from-prometheus": {found.admin.listen.port},
        }
        for name, ports in wanted.items():
            (rule,) = manifests.get("NetworkPolicy", name)["spec"]["ingress"]
            assert {port["port"] for port in rule["ports"]} == ports

    def test_it_answers_to_every_name_of_its_service(self, folder: str) -> None:
        service = build(folder).get("Service", "lockgate")["metadata"]
        name, namespace = service["name"], service["namespace"]
        full = f"{name}.{namespace}"
        assert set(config(folder).gateway.hosts) == {name, full, f"{full}.svc", f"{full}.svc.cluster.local"}

    def test_it_writes_to_volumes_alone_and_cannot_write_to_the_authority(self, folder: str) -> None:
        found, container = config(folder), build(folder).container
        assert found.gateway.state_dir is not None
        assert found.proxy.ca_dir is not None
        assert "readOnly" not in mounts(container)[str(found.gateway.state_dir)]
        holder = mounts(container)[str(PurePosixPath(found.proxy.ca_dir).parent)]
        assert holder["readOnly"] is True
        assert volumes(build(folder).gateway)[holder["name"]]["emptyDir"]["medium"] == "Memory"

    def test_it_has_one_process_for_the_core_it_asks_for(self, folder: str) -> None:
        assert build(folder).container["resources"]["requests"]["cpu"] == str(config(folder).gateway.workers)

    def test_streams_have_the_time_to_end(self, folder: str) -> None:
        pod, container = build(folder).gateway, build(folder).container
        waiting = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert waiting >= 10  # for endpoints and proxies to learn that the pod is going
        assert pod["terminationGracePeriodSeconds"] >= waiting + config(folder).gateway.drain + ENDING

    def test_a_new_pod_serves_before_an_old_one_goes(self, folder: str) -> None:
        strategy = build(folder).get("Deployment", "lockgate")["spec"]["strategy"]
        assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}

    def test_probes_ask_the_admin_listener(self, folder: str) -> None:
        container = build(folder).container
        asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")}
        assert asked == {
            "startup": {"path": "/readyz", "port": "admin"},
            "readiness": {"path": "/readyz", "port": "admin"},
            "liveness": {"path": "/healthz", "port": "admin"},
        }

    def test_the_init_container_runs_the_same_image(self, folder: str) -> None:
        (first,) = build(folder).gateway["initContainers"]
        assert first["image"] == build(folder).container["image"]

    def test_the_ports_it_may_go_to_are_let_out(self, folder: str) -> None:
        """Egress entries that ship name no other port than the policy does."""
        (rule,) = build(folder).get("NetworkPolicy", "gateway-to-internet")["spec"]["egress"]
        let_out = {port["port"] for port in rule["ports"]}
        wanted = {
            port
            for table in config(folder).egress.values()
            if table.action is not Action.DENY
            for port in table.ports or (443,)
        }
        assert wanted == let_out


class TestExample:
    def test_its_configuration_keeps_to_the_base(self) -> None:
        base, example = config("base"), config(EXAMPLE)
        for table in ("gateway", "admin", "store", "log", "audit"):
            assert getattr(example, table) == getattr(base, table), table
        assert (example.proxy.listen, example.proxy.ca_dir) == (base.proxy.listen, base.proxy.ca_dir)

    def test_a_changed_configuration_is_a_rollout(self) -> None:
        names = {build(folder).get("ConfigMap", "lockgate")["metadata"]["name"] for folder in DEPLOYED}
        assert len(names) == 2

    def test_an_image_is_named_with_its_version(self) -> None:
        assert re.fullmatch(r"registry\.example\.com/lockgate:\d+\.\d+\.\d+", build(EXAMPLE).container["image"])

    def test_each_pod_keeps_an_audit_chain_of_its_own(self) -> None:
        found, container = config(EXAMPLE), build(EXAMPLE).container
        mount = mounts(container)[str(configuration.audit_folder(found, {}))]
        assert mount["subPathExpr"] == "$(POD_NAME)"
        (named,) = (entry for entry in container["env"] if entry["name"] == "POD_NAME")
        assert named["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
        claim = volumes(build(EXAMPLE).gateway)[mount["name"]]["persistentVolumeClaim"]["claimName"]
        assert build(EXAMPLE).get("PersistentVolumeClaim", claim)["spec"]["accessModes"] == ["ReadWriteMany"]


class TestMetrics:
    @staticmethod
    def read(name: str) -> Any:
        return yaml.safe_load((ROOT / "metrics" / name).read_text())

    @staticmethod
    def there_are() -> set[str]:
        text = Metrics(lambda: 0).text().decode()
        return set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))

    def test_the_autoscaler_goes_by_what_the_adapter_serves(self) -> None:
        (rule,) = self.read("adapter-values.yaml")["rules"]["custom"]
        pods = build("base").get("HorizontalPodAutoscaler", "lockgate")["spec"]["metrics"][0]["pods"]
        assert pods["metric"]["name"] == rule["name"]["as"]
        assert rule["seriesQuery"].partition("{")[0] in self.there_are()
        assert set(rule["resources"]["overrides"]) == {"namespace", "pod"}

    def test_prometheus_scrapes_the_admin_port_of_the_pods_with_the_labels_that_the_adapter_wants(self) -> None:
        (job,) = self.read("scrape.yaml")
        keep, *named = job["relabel_configs"]
        (_, _, template), *_ = build("base").pods()
        label = template["metadata"]["labels"]["app.kubernetes.io/name"]
        ports = {port["name"] for port in build("base").container["ports"]}
        chosen = [port for port in ports if re.fullmatch(keep["regex"], f"{label};{port}")]
        assert chosen == ["admin"]
        assert [one["target_label"] for one in named] == ["namespace", "pod"]

    def test_alerts_are_about_metrics_that_there_are(self) -> None:
        (group,) = self.read("alerts.yaml")["groups"]
        (job,) = self.read("scrape.yaml")
        for rule in group["rules"]:
            named = set(re.findall(r"\blockgate_\w+", rule["expr"]))
            assert named <= self.there_are() | {f"{name}_total" for name in self.there_are()}, rule["alert"]
            assert named or f'job="{job["job_name"]}"' in rule["expr"], rule["alert"]
            assert rule["annotations"]["summary"]


def test_paths_in_comments_lead_somewhere() -> None:
    for path in ROOT.rglob("*"):
        if path.is_file():
            for found in re.findall(r"\bdocs/[\w/-]+(?:\.md)?", path.read_text()):
                docs = ROOT.parent.parent / found
                assert docs.exists() or list(docs.parent.glob(f"{docs.name}-*.md")), f"{path}: {found}"


class TestDocument:
    TEXT = (ROOT.parent.parent / "docs" / "kubernetes.md").read_text()

    def test_it_names_each_secret_that_is_asked_for(self) -> None:
        for _, _, template in build(EXAMPLE).pods():
            for volume in template["spec"]["volumes"]:
                assert f"`{volume.get('secret', {'secretName': 'lockgate'})['secretName']}`" in self.TEXT
        for entry in build(EXAMPLE).container["env"]:
            wanted = entry.get("valueFrom", {}).get("secretKeyRef")
            if wanted is not None:
                assert f"`{wanted['key']}`" in self.TEXT or f"--from-file={wanted['key']}=" in self.TEXT
                assert wanted["name"] in self.TEXT

    def test_alerts_that_it_names_are_there(self) -> None:
        named = set(re.findall(r"`(Lockgate[A-Z]\w+)`", self.TEXT))
        assert named
        assert named <= {rule["alert"] for rule in TestMetrics.read("alerts.yaml")["groups"][0]["rules"]}

    def test_numbers_in_it_are_those_of_the_manifests(self) -> None:
        waiting = build("base").container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert f"sleeps for {waiting} s" in self.TEXT
        assert f"`drain` ({config('base').gateway.drain:.0f} s)" in self.TEXT
        assert f"Kubernetes {VERSIONS[0]}" in self.TEXT
