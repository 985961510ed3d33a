"""The real gateway, started as the manifests say, with the Secrets that `secrets.sh` makes."""

from __future__ import annotations

import json
import re
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigError
from gateway.state.limit import SECOND_NS, Claim, Limit, Rate, Unit
from gateway.state.redis.connection import Connection
from gateway.state.redis.counters import RedisCounters
from gateway.state.redis.place import Place
from gateway.trust import authority as authorities
from gateway.trust import folder as trust
from tests.deploy.cluster import Pod, Secrets, environment, new_secrets, redis
from tests.deploy.manifests import EXAMPLE, ROOT, Object, build
from tests.services.redis import until

OWN: Secrets = {
    "lockgate-upstreams": {"openai": b"the-provider-key-of-openai", "anthropic": b"the-provider-key-of-anthropic"},
    "lockgate-agents": {"research": b"the-gateway-key-of-research"},
}
"""The Secrets of the example, which are the operator's to make (docs/kubernetes.md)."""


@dataclass(slots=True)
class Fleet:
    """Two pods of the example, and the Redis that they share. In the first a gateway runs, which said where.

    `copied_ns` is when its folder with the authority was last written to before it started.
    """

    secrets: Secrets
    store: str
    pod: Pod
    other: Pod
    said: Mapping[str, Any]
    copied_ns: int

    def get(self, page: str, token: str | None = None) -> tuple[int, bytes]:
        """A page of the gateway's admin listener: status and body."""
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        request = urllib.request.Request(f"{self.said['admin']}{page}", headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    @property
    def token(self) -> str:
        return self.secrets["lockgate"]["admin-token"].decode()

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get("/status", self.token)[1])
        return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Secrets, list[Object]]:
    return new_secrets(tmp_path_factory.mktemp("secrets"))


@pytest.fixture(scope="module")
def fleet(made: tuple[Secrets, list[Object]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder, manifests = tmp_path_factory.mktemp("fleet"), build(EXAMPLE)
    secrets: Secrets = {**made[0], **OWN}
    with ExitStack() as stack:
        port = stack.enter_context(redis(folder / "redis", manifests, secrets))
        url = secrets["lockgate"]["store-url"].decode().replace("@lockgate-redis:6379", f"@127.0.0.1:{port}")
        secrets = {**secrets, "lockgate": {**secrets["lockgate"], "store-url": url.encode()}}
        pod, other = Pod(folder / "pod-1", manifests, secrets), Pod(folder / "pod-2", manifests, secrets)
        for one in (pod, other):
            prepared = one.prepare()
            assert prepared.returncode == 0, prepared.stderr
        copied_ns = pod.ca_dir.stat().st_mtime_ns
        yield Fleet(secrets, url, pod, other, stack.enter_context(pod.running()), copied_ns)


class TestSecrets:
    def test_they_are_those_that_the_manifests_ask_for(self, made: tuple[Secrets, list[Object]]) -> None:
        secrets: Secrets = {**made[0], **OWN}
        assert environment(build(EXAMPLE).container, secrets)  # each variable has its Secret and key
        for _, _, template in build(EXAMPLE).pods():
            mounted = {one["secret"]["secretName"] for one in template["spec"]["volumes"] if "secret" in one}
            assert mounted <= made[0].keys()

    def test_no_value_has_an_end_of_line_or_is_another_s(self, made: tuple[Secrets, list[Object]]) -> None:
        values = list(made[0]["lockgate"].values())
        assert all(value == value.strip() and len(value) >= 64 for value in values)
        assert len(set(values)) == len(values)

    def test_agents_are_given_what_to_trust_and_no_key(self, made: tuple[Secrets, list[Object]]) -> None:
        (bundle,) = (found for found in made[1] if found["kind"] == "ConfigMap")
        assert bundle["metadata"] == {"name": "lockgate-trust", "namespace": "agents"} | bundle["metadata"]
        authority = authorities.parsed(made[0]["lockgate-ca"]["authority-1.pem"].decode())
        assert authorities.pem(authority.certificate) in bundle["data"]["bundle.pem"]
        assert "PRIVATE KEY" not in bundle["data"]["bundle.pem"]

    def test_redis_is_given_no_password_but_its_digest(self, made: tuple[Secrets, list[Object]]) -> None:
        password = Place.read(made[0]["lockgate"]["store-url"].decode()).password
        assert password is not None
        assert password not in made[0]["lockgate-redis"]["users.acl"].decode()


class TestAuthority:
    def test_a_mounted_secret_is_refused_as_it_is(self, fleet: Fleet) -> None:
        """This is why there is an init container."""
        with pytest.raises(ConfigError, match="others may write to the folder"):
            trust.current(fleet.pod.authority_volume, datetime.now(UTC))

    def test_the_copy_is_for_the_gateway_alone(self, fleet: Fleet) -> None:
        folder = fleet.pod.ca_dir
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {"authority-1.pem": 0o600}

    def test_a_running_gateway_writes_nothing_beside_it(self, fleet: Fleet) -> None:
        """It is mounted read-only: a draft that was taken away again would show in the folder's time."""
        until(lambda: fleet.get("/readyz")[0] == 200, 120)
        assert fleet.pod.ca_dir.stat().st_mtime_ns == fleet.copied_ns

    def test_it_is_what_the_gateway_signs_with_and_the_same_in_each_pod(self, fleet: Fleet) -> None:
        authority = authorities.parsed(fleet.secrets["lockgate-ca"]["authority-1.pem"].decode())
        assert fleet.status()["proxy"]["ca"]["sha256"] == authorities.fingerprint(authority.certificate)
        held = {(pod.ca_dir / "authority-1.pem").read_bytes() for pod in (fleet.pod, fleet.other)}
        assert held == {fleet.secrets["lockgate-ca"]["authority-1.pem"]}

    def test_a_pod_without_one_does_not_start(self, tmp_path: Path) -> None:
        keys = dict.fromkeys(("secret", "admin-token", "store-url"), b"x")
        prepared = Pod(tmp_path, build("base"), {"lockgate": keys}).prepare()
        assert prepared.returncode != 0
        assert "authority-*.pem" in prepared.stderr


def test_lockgate_check_finds_nothing_wrong(made: tuple[Secrets, list[Object]], tmp_path: Path) -> None:
    """The very text, with addresses and folders as in a pod."""
    pod = Pod(tmp_path, build(EXAMPLE), {**made[0], **OWN})
    path = Path(pod.environ["LOCKGATE_CONFIG"])
    path.parent.mkdir(parents=True)
    path.write_text(build(EXAMPLE).toml)
    checked = pod.run("check")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.endswith("ok\n")


class TestFleet:
    def test_probes_are_answered_without_a_token(self, fleet: Fleet) -> None:
        probes = {kind: build(EXAMPLE).container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness")}
        until(lambda: fleet.get(probes["startup"])[0] == 200, 120)
        assert fleet.get(probes["liveness"])[0] == 200

    def test_nothing_else_is(self, fleet: Fleet) -> None:
        for page in ("/metrics", "/status", "/stops"):
            assert fleet.get(page)[0] == 401
            assert fleet.get(page, fleet.token)[0] == 200

    def test_it_is_at_the_store(self, fleet: Fleet) -> None:
        until(lambda: fleet.status()["store"]["connected"] and fleet.status()["store"]["members"] == 1)

    def test_the_user_at_redis_has_the_rights_that_are_documented(self, fleet: Fleet) -> None:
        rights = re.compile(r"(?:\+[a-z|]+ ?){9,}")
        documented = rights.search((ROOT.parent.parent / "docs" / "state.md").read_text())
        given = rights.search(fleet.secrets["lockgate-redis"]["users.acl"].decode())
        assert documented is not None
        assert given is not None
        assert documented[0].split() == given[0].split()

    async def test_the_user_at_redis_may_do_what_limits_need_and_no_more(self, fleet: Fleet) -> None:
        connection = Connection(Place.read(fleet.store), 5.0)
        await connection.open()
        counters = RedisCounters(connection, "lockgate", b"key")
        taken = await counters.take([Claim(Limit("one", "one", Unit.REQUESTS, Rate(9, SECOND_NS, 9)))], "me")
        assert taken.allowed
        await connection.close()

    def test_a_stop_by_exec_in_one_pod_stops_the_other(self, fleet: Fleet) -> None:
        stopped = fleet.other.run("stop", "--agent", "research", "--why", "a drill")
        assert (stopped.returncode, stopped.stderr) == (0, "")
        until(lambda: b'"a drill"' in fleet.get("/stops", fleet.token)[1])
