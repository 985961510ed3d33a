"""A piece of a cluster on this machine: the Secrets of a new fleet, a Redis, and gateways as their pods would run them.

What is not as in a pod: listeners are on loopback, on ports that are free; folders are below one of the test's; and
`lockgate` is that of this checkout.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.deploy.manifests import ROOT, Manifests, Object, kubectl
from tests.services import redis as services
from tests.services.ports import HOST, free_ports

PATIENCE: Final = 60.0
LOCKGATE: Final = (sys.executable, "-c", "from gateway.cli import main; main()")

type Secrets = Mapping[str, Mapping[str, bytes]]


def new_secrets(folder: Path) -> tuple[Secrets, list[Object]]:
    """Run `secrets.sh` against no cluster: the Secrets that it makes, by name and key, and all objects."""
    made, programs = folder / "made.yaml", folder / "bin"
    programs.mkdir()
    _program(programs / "kubectl", f'{kubectl()} "$@" --dry-run=client --output=yaml >>{made}\necho --- >>{made}')
    _program(programs / "lockgate", f'exec {shlex.join(LOCKGATE)} "$@"')
    environ = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(folder)}
    subprocess.run([str(ROOT / "secrets.sh"), "agents"], env=environ, check=True, capture_output=True, timeout=PATIENCE)
    objects = [found for found in yaml.safe_load_all(made.read_text()) if found is not None]
    secrets = {
        found["metadata"]["name"]: {key: base64.b64decode(value) for key, value in found["data"].items()}
        for found in objects
        if found["kind"] == "Secret"
    }
    return secrets, objects


def _program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def environment(container: Object, secrets: Secrets) -> dict[str, str]:
    """The variables that a container is given."""
    found = {}
    for entry in container["env"]:
        match entry:
            case {"value": str(value)}:
                found[entry["name"]] = value
            case {"valueFrom": {"secretKeyRef": {"name": str(name), "key": str(key), **rest}}} if not rest:
                found[entry["name"]] = secrets[name][key].decode()
            case {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}:
                found[entry["name"]] = "lockgate-6d5f7c9b8-x2x9z"
            case _:
                raise ValueError(f"not understood here: {entry}")
    return found


def secret_volume(folder: Path, files: Mapping[str, bytes]) -> Path:
    """A Secret as kubelet mounts it for a pod with `fsGroup`: links to links, readable by the group, in a folder that
    everybody could write to, were it not mounted read-only."""
    version = folder / "..2026_11_25_09_00_00.123456789"
    version.mkdir(parents=True)
    for name, data in files.items():
        (version / name).write_bytes(data)
        (version / name).chmod(0o440)
        (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data").symlink_to(version.name)
    folder.chmod(0o1777)
    return folder


@contextmanager
def redis(folder: Path, manifests: Manifests, secrets: Secrets) -> Iterator[int]:
    """The server with its configuration and its users; its port."""
    folder.mkdir()
    text = manifests.get("ConfigMap", "lockgate-redis")["data"]["redis.conf"].replace("dir /data", f"dir {folder}")
    (folder / "redis.conf").write_text(text)
    (folder / "users.acl").write_bytes(secrets["lockgate-redis"]["users.acl"])
    (port,) = free_ports(1)
    own = ("--port", str(port), "--bind", HOST, "--aclfile", str(folder / "users.acl"))
    server = services.Server(port, folder, (str(folder / "redis.conf"), *own))
    server.start()
    try:
        yield port
    finally:
        server.kill()


@dataclass(slots=True)
class Pod:
    """A pod of the gateway; its folders are below `folder`."""

    folder: Path
    manifests: Manifests
    secrets: Secrets

    @property
    def environ(self) -> dict[str, str]:
        """What is in the environment of its container: that of the image, and that of the manifest."""
        given = environment(self.manifests.container, self.secrets)
        image = {"PATH": os.environ["PATH"], "XDG_STATE_HOME": self._here("/var/lib")}
        return {**image, **given, "LOCKGATE_CONFIG": self._here(given["LOCKGATE_CONFIG"])}

    @property
    def ca_dir(self) -> Path:
        return Path(self._here("/run/lockgate/ca"))

    @property
    def authority_volume(self) -> Path:
        return Path(self._here("/etc/lockgate-ca"))

    def prepare(self) -> subprocess.CompletedProcess[str]:
        """Mount the volumes, and run the init container."""
        secret_volume(self.authority_volume, self.secrets.get("lockgate-ca", {}))
        for path in ("/etc/lockgate", "/run/lockgate", "/var/lib/lockgate"):
            Path(self._here(path)).mkdir(parents=True)
            Path(self._here(path)).chmod(0o2777)  # as an `emptyDir` is with `fsGroup`
        text = self.manifests.toml
        for name in ("gateway", "proxy", "admin"):
            text = text.replace(f'[{name}]\nlisten = "0.0.0.0:', f'[{name}]\nlisten = "127.0.0.1:0" # 0.0.0.0:')
        for path in ("/var/lib/lockgate", "/run/lockgate"):
            text = text.replace(f'"{path}', f'"{self._here(path)}')
        Path(self.environ["LOCKGATE_CONFIG"]).write_text(text)
        (first,) = self.manifests.gateway["initContainers"]
        *shell, script = first["command"]
        for path in ("/etc/lockgate-ca", "/run/lockgate"):
            script = script.replace(path, self._here(path))
        return subprocess.run([*shell, script], capture_output=True, text=True, check=False, timeout=PATIENCE)

    @contextmanager
    def running(self) -> Iterator[Mapping[str, Any]]:
        """The gateway's container; its first line says where it listens. It is ended as kubelet ends it."""
        arguments = self.manifests.container["args"]
        process = subprocess.Popen([*LOCKGATE, *arguments], env=self.environ, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        try:
            said = [json.loads(process.stderr.readline())]
            while said[-1]["event"] != "listening":
                said.append(json.loads(process.stderr.readline()))
            yield said[-1]
            process.terminate()
            process.communicate(timeout=PATIENCE)
            assert process.returncode == 0
        finally:
            process.kill()
            process.communicate()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`kubectl exec … -- lockgate ARGUMENTS`."""
        return subprocess.run(
            [*LOCKGATE, *arguments], env=self.environ, capture_output=True, text=True, check=False, timeout=PATIENCE
        )

    def _here(self, path: str) -> str:
        return f"{self.folder}{path}"
