"""The shipped packs are found in a checkout and in an installed package."""

from __future__ import annotations

import zipfile
from importlib import resources
from pathlib import Path
from zipfile import Path as ZippedPath

import pytest

from gateway.errors import ConfigError
from gateway.resources import addon, pack_folder, pack_names, pack_text, tool_policy_names, tool_policy_text, weigher

ROOT = Path(__file__).parent.parent


def test_a_checkout_reads_the_folder_at_its_root() -> None:
    assert pack_folder() == ROOT / "rules"
    assert pack_names() == tuple(sorted(path.stem for path in (ROOT / "rules").glob("*.toml")))
    for name in pack_names():
        assert pack_text(name) == (ROOT / "rules" / f"{name}.toml").read_text(encoding="utf-8")


def test_an_installed_package_carries_them_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "gateway"
    (package / "_rules").mkdir(parents=True)
    (package / "_rules" / "mine.toml").write_text("x = 1")
    (package / "_rules" / "README.md").write_text("no pack")
    monkeypatch.setattr(resources, "files", lambda name: tmp_path / name)
    assert pack_folder() == package / "_rules"
    assert pack_names() == ("mine",)
    assert pack_text("mine") == "x = 1"


def test_a_zipped_package_is_read_and_cannot_be_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        archive.writestr("gateway/_rules/mine.toml", "x = 1")
    monkeypatch.setattr(resources, "files", lambda name: ZippedPath(tmp_path / "app.pyz", f"{name}/"))
    assert pack_folder() is None
    assert pack_text("mine") == "x = 1"


def test_policies_of_tools_are_found_as_packs_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tool_policy_names() == tuple(sorted(path.stem for path in (ROOT / "rules" / "tools").glob("*.toml")))
    assert tool_policy_text("mail") == (ROOT / "rules" / "tools" / "mail.toml").read_text(encoding="utf-8")
    (tmp_path / "gateway" / "_rules").mkdir(parents=True)
    monkeypatch.setattr(resources, "files", lambda name: tmp_path / name)
    assert tool_policy_names() == ()
    (tmp_path / "gateway" / "_rules" / "tools").mkdir()
    (tmp_path / "gateway" / "_rules" / "tools" / "mine.toml").write_text("x = 1")
    (tmp_path / "gateway" / "_rules" / "tools" / "README.md").write_text("none")
    assert tool_policy_names() == ("mine",)
    assert tool_policy_text("mine") == "x = 1"


def test_an_unknown_name_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "gateway" / "_rules").mkdir(parents=True)
    monkeypatch.setattr(resources, "files", lambda name: tmp_path / name)
    with pytest.raises(ConfigError) as caught:
        pack_text("../secret")
    assert caught.value.problems == ("`../secret` is no shipped pack; accepted: none are shipped",)


def test_an_addon_is_a_file_in_a_checkout_and_in_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert addon("lockgate.py") == ROOT / "addons" / "lockgate.py"
    (tmp_path / "gateway" / "_addons").mkdir(parents=True)
    monkeypatch.setattr(resources, "files", lambda name: tmp_path / name)
    assert addon("lockgate.py") == tmp_path / "gateway" / "_addons" / "lockgate.py"


def test_an_addon_in_a_zipped_package_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        archive.writestr("gateway/_addons/lockgate.py", "")
    monkeypatch.setattr(resources, "files", lambda name: ZippedPath(tmp_path / "app.pyz", f"{name}/"))
    with pytest.raises(ConfigError, match="mitmproxy cannot load an addon out of a zipped package"):
        addon("lockgate.py")


def test_weights_are_read_from_beside_the_packs_once() -> None:
    assert weigher() is weigher()
    assert weigher().trees


@pytest.mark.parametrize("content", [None, b"", b"{}"])
def test_an_installation_without_weights_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    (tmp_path / "gateway" / "_rules").mkdir(parents=True)
    if content is not None:
        (tmp_path / "gateway" / "_rules" / "provenance.json").write_bytes(content)
    monkeypatch.setattr(resources, "files", lambda name: tmp_path / name)
    weigher.cache_clear()
    with pytest.raises(ConfigError, match=r"`provenance.json` cannot be read .* install the gateway anew"):
        weigher()
