"""The manifests as `kubectl` would send them, built without a cluster."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parent.parent.parent / "deploy" / "kubernetes"
EXAMPLE: Final = "overlays/example"

type Object = Mapping[str, Any]


class MissingKubectl(Exception):
    """There is nothing to build the manifests with."""

    def __init__(self) -> None:
        super().__init__("`kubectl` (1.21 or newer, for its kustomize) is not on PATH; it needs no cluster")


def kubectl() -> str:
    found = shutil.which("kubectl")
    if found is None:
        raise MissingKubectl
    return found


@dataclass(frozen=True, slots=True)
class Manifests:
    """What one folder makes: objects of Kubernetes, complete."""

    objects: tuple[Object, ...]

    def of_kind(self, kind: str) -> Iterator[Object]:
        return (found for found in self.objects if found["kind"] == kind)

    def get(self, kind: str, name: str) -> Object:
        """The one object of that kind and name; a generated name is given without its hash."""
        (found,) = (one for one in self.of_kind(kind) if _name(one) == name)
        return found

    def pods(self) -> Iterator[tuple[str, Object, Object]]:
        """What makes pods: (its name, its specification, the pod's template)."""
        for kind in ("Deployment", "StatefulSet"):
            for found in self.of_kind(kind):
                yield found["metadata"]["name"], found["spec"], found["spec"]["template"]

    @property
    def gateway(self) -> Object:
        """The specification of the gateway's pod."""
        pod: Object = self.get("Deployment", "lockgate")["spec"]["template"]["spec"]
        return pod

    @property
    def container(self) -> Object:
        """The container in which the gateway runs."""
        (found,) = self.gateway["containers"]
        container: Object = found
        return container

    @property
    def toml(self) -> str:
        """The gateway's configuration."""
        text: str = self.get("ConfigMap", "lockgate")["data"]["lockgate.toml"]
        return text


def _name(found: Object) -> str:
    name: str = found["metadata"]["name"]
    return name.rpartition("-")[0] if found["kind"] == "ConfigMap" else name


@functools.cache
def build(folder: str) -> Manifests:
    """Build a folder below `deploy/kubernetes`."""
    made = subprocess.run(
        [kubectl(), "kustomize", str(ROOT / folder)], capture_output=True, text=True, check=True, timeout=60
    )
    assert made.stderr == ""  # what is deprecated is told there
    return Manifests(tuple(yaml.safe_load_all(made.stdout)))
