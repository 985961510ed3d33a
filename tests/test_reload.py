"""Edited files are live, broken ones change nothing: with real files and the real watcher."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway import record, reload
from gateway.config import Config, parse
from gateway.detect.ruleset import RuleSet
from gateway.errors import OperatorError
from gateway.reload import NEEDS_RESTART, Loaded, Loader, carried
from gateway.settings import Format
from gateway.shelf import Shelf
from gateway.verdict import Effect

CONFIG = '[rules]\npacks = []\nfolders = ["mine"]\n'


def rule(name: str, category: str = "injection.test", word: str = "purple elephant") -> str:
    return f"""
[[rule]]
id = "{name}"
why = "a test"
category = "{category}"
severity = "critical"
words = ["{word}"]
hits = ["a {word} here", "the {word}"]
misses = ["nothing", "a red elephant"]
"""


def save(path: Path, text: str) -> None:
    path.write_text(text)


def remove(path: Path) -> None:
    path.unlink()


@pytest.fixture(autouse=True)
def logged() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    stream = io.StringIO()
    record.configure(Format.JSON, "info", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.toml").write_text(rule("one"))
    file = tmp_path / "gate.toml"
    file.write_text(CONFIG)
    return file


class Following:
    """A loader that follows its files, and what it handed over."""

    def __init__(self, path: Path | None, environ: dict[str, str] | None = None) -> None:
        self.swapped: list[Loaded] = []
        self.loader = Loader(path, environ or {}, b"key", self.swapped.append)

    @property
    def rules(self) -> set[str]:
        return set(self.swapped[-1].rules.rules) if self.swapped else set()

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(1000):
            if condition():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"it did not come to that; status: {self.loader.status}")

    async def until_rules(self, *names: str) -> None:
        await self.until(lambda: self.rules == set(names))


@asynccontextmanager
async def following(path: Path | None) -> AsyncIterator[Following]:
    found = Following(path)
    found.loader.load()
    watching = asyncio.create_task(found.loader.watch())
    await asyncio.sleep(0)
    try:
        yield found
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def problems(path: Path, environ: dict[str, str] | None = None) -> tuple[str, ...]:
    with pytest.raises(OperatorError) as caught:
        Following(path, environ).loader.load()
    return caught.value.problems


class TestLoad:
    def test_the_defaults_load_the_shipped_packs(self) -> None:
        found = Following(None)
        loaded = found.loader.load()
        assert loaded.config == Config()
        assert loaded.rules.rules
        assert found.loader.status.digest == loaded.rules.digest
        assert found.swapped == []

    def test_all_problems_of_packs_and_environment_are_told_at_once(self, file: Path) -> None:
        file.write_text(CONFIG + '[admin]\ntoken_env = "T"\n')
        (file.parent / "mine" / "a.toml").write_text("x = 1")
        (file.parent / "mine" / "b.toml").write_text("= 1")
        told = problems(file)
        assert told[0] == "admin.token_env: environment variable T is not set; set it, or take the key out"
        assert any(problem.startswith(f"{file.parent}/mine/a.toml:1: ") for problem in told)
        assert told[-1].startswith(f"{file.parent}/mine/b.toml:1: not TOML: ")

    def test_a_folder_that_is_missing_and_a_file_that_cannot_be_read_are_named(self, file: Path) -> None:
        (file.parent / "mine" / "a.toml").write_bytes(b"\xff")
        assert problems(file) == (f"{file.parent}/mine/a.toml: cannot be read: is not utf-8 text",)
        (file.parent / "mine" / "a.toml").unlink()
        (file.parent / "mine" / "a.toml").mkdir()
        assert problems(file) == (f"{file.parent}/mine/a.toml: cannot be read: is a directory",)
        file.write_text('[rules]\nfolders = ["none"]')
        assert problems(file) == (f"rules.folders: `{file.parent}/none` is no folder; make it, or take it out",)

    def test_an_unknown_pack_is_named(self, file: Path) -> None:
        file.write_text('[rules]\npacks = ["none"]')
        assert problems(file)[0].startswith("`none` is no shipped pack; accepted: ")

    def test_effects_by_category_go_to_its_rules_and_the_nearest_name_wins(self, file: Path) -> None:
        (file.parent / "mine" / "a.toml").write_text(
            rule("one", "pii.test") + rule("two", "pii.test") + rule("three", "pii.other") + rule("four", "secret.x")
        )
        effects = 'effects = { pii = "report", "pii.test" = "redact", two = "block" }\n'
        file.write_text(CONFIG + effects)
        rules = Following(file).loader.load().rules.rules
        assert {name: rules[name].effect for name in rules} == {
            "one": Effect.REDACT,
            "two": Effect.BLOCK,
            "three": Effect.REPORT,
            "four": None,
        }
        file.write_text(CONFIG + 'effects = { pi = "report" }\n')
        assert "no rule has the id `pi`" in problems(file)[0]

    def test_effects_of_categories_that_no_rule_has_are_no_rule_s(self, file: Path) -> None:
        file.write_text(CONFIG + 'effects = { "egress.encoded_data.host" = "report" }\n')
        Following(file).loader.load()
        file.write_text(CONFIG + 'effects = { "egress.encoded_data.hots" = "report" }\n')
        assert "no rule has the id `egress.encoded_data.hots`" in problems(file)[0]

    def test_effects_of_hidden_text_are_for_the_profile_and_no_other_name_passes_for_one(self, file: Path) -> None:
        (file.parent / "mine" / "a.toml").write_text(rule("one"))
        file.write_text(CONFIG + 'effects = { "hidden.bare.comment" = "allow" }\n')
        assert Following(file).loader.load().rules.rules["one"].effect is None
        file.write_text(CONFIG + 'effects = { "hidden.bare.coment" = "allow" }\n')
        assert "no rule has the id `hidden.bare.coment`" in problems(file)[0]

    def test_rules_are_disabled_and_shadowed_by_id(self, file: Path) -> None:
        (file.parent / "mine" / "a.toml").write_text(rule("one") + rule("two"))
        file.write_text(CONFIG + 'disabled = ["one"]\nshadow = ["two"]\n')
        rules = Following(file).loader.load().rules.rules
        assert {name: rules[name].shadow for name in rules} == {"two": True}


class TestWatch:
    async def test_an_edited_pack_is_live(self, file: Path) -> None:
        async with following(file) as found:
            save(file.parent / "mine" / "a.toml", rule("two"))
            await found.until_rules("two")
            assert found.loader.status.digest == found.swapped[-1].rules.digest

    async def test_a_pack_in_the_place_of_another_is_live(self, file: Path) -> None:
        """Editors write a new file and move it over the old one."""
        async with following(file) as found:
            draft = file.parent / "mine" / "a.toml.new"
            save(draft, rule("two"))
            draft.replace(file.parent / "mine" / "a.toml")
            await found.until_rules("two")

    async def test_a_pack_that_comes_or_goes_is_live(self, file: Path) -> None:
        async with following(file) as found:
            save(file.parent / "mine" / "b.toml", rule("two"))
            await found.until_rules("one", "two")
            (file.parent / "mine" / "a.toml").unlink()
            await found.until_rules("two")

    async def test_a_folder_that_is_added_is_read_and_followed(self, file: Path) -> None:
        async with following(file) as found:
            (file.parent / "more").mkdir()
            save(file.parent / "more" / "b.toml", rule("two"))
            save(file, '[rules]\npacks = []\nfolders = ["mine", "more"]\n')
            await found.until_rules("one", "two")
            save(file.parent / "more" / "b.toml", rule("three"))
            await found.until_rules("one", "three")

    async def test_an_edited_configuration_is_live(self, file: Path) -> None:
        async with following(file) as found:
            save(file, CONFIG + 'profile = "strict"\n')
            await found.until(lambda: bool(found.swapped) and found.swapped[-1].config.rules.profile == "strict")

    async def test_a_broken_file_changes_nothing_and_is_told_once(
        self, file: Path, logged: Callable[[], list[dict[str, Any]]]
    ) -> None:
        async with following(file) as found:
            pack = file.parent / "mine" / "a.toml"
            digest = found.loader.status.digest
            save(pack, rule("one") + "words = 5\n")
            await found.until(lambda: found.loader.status.problems != ())
            (problem,) = found.loader.status.problems
            assert problem.startswith(f"{pack}:")
            assert found.loader.status.digest == digest
            save(pack, rule("one") + "words = 5\n# again\n")
            await asyncio.sleep(0.3)
            errors = [line for line in logged() if line["level"] == "error"]
            assert [line["problems"] for line in errors] == [[problem]]
            assert all(set(loaded.rules.rules) == {"one"} for loaded in found.swapped)
            save(pack, rule("two"))
            await found.until_rules("two")
            assert found.loader.status.problems == ()

    async def test_a_broken_configuration_that_is_put_back_is_forgotten(self, file: Path) -> None:
        async with following(file) as found:
            save(file, "[rules\n")
            await found.until(lambda: found.loader.status.problems != ())
            assert found.loader.status.problems[0].startswith(f"{file}:1: not TOML: ")
            remove(file)
            await found.until(lambda: "cannot be read" in "".join(found.loader.status.problems))
            save(file, CONFIG)
            await found.until(lambda: found.loader.status.problems == ())

    async def test_the_pre_filter_follows_in_a_value_of_its_own(self, file: Path) -> None:
        async with following(file) as found:
            await found.until(lambda: found.loader.status.is_accelerated)
            first = found.swapped[-1]
            save(file.parent / "mine" / "a.toml", rule("two"))
            await found.until(lambda: found.rules == {"two"} and found.loader.status.is_accelerated)
            plain, fast = found.swapped[-2:]
            assert (plain.rules is not fast.rules, plain.rules.digest) == (True, fast.rules.digest)
            assert set(first.rules.rules) == {"one"}

    async def test_a_value_that_was_overtaken_gets_no_pre_filter(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = Following(file)
        slow = asyncio.Event()
        loop = asyncio.get_running_loop()
        real = RuleSet.accelerated

        def accelerated(rules: RuleSet) -> RuleSet:
            if "one" in rules.rules:
                asyncio.run_coroutine_threadsafe(slow.wait(), loop).result()
            return real(rules)

        monkeypatch.setattr(RuleSet, "accelerated", accelerated)
        found.loader.load()
        watching = asyncio.create_task(found.loader.watch())
        save(file.parent / "mine" / "a.toml", rule("two"))
        await found.until(lambda: found.rules == {"two"} and found.loader.status.is_accelerated)
        slow.set()
        await asyncio.sleep(0.1)
        assert [set(loaded.rules.rules) for loaded in found.swapped] == [{"two"}, {"two"}]
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    async def test_without_a_pre_filter_the_rules_go_on(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], list[dict[str, Any]]]
    ) -> None:
        def broken(rules: RuleSet) -> RuleSet:
            raise RuntimeError("too large")

        monkeypatch.setattr(RuleSet, "accelerated", broken)
        async with following(file) as found:
            await found.until(lambda: any("too large" in str(line.get("error")) for line in logged()))
            save(file.parent / "mine" / "a.toml", rule("two"))
            await found.until_rules("two")
            assert not found.loader.status.is_accelerated

    async def test_files_are_looked_at_where_they_cannot_be_watched(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], list[dict[str, Any]]]
    ) -> None:
        async def refusing(*paths: Path, **options: object) -> AsyncIterator[set[tuple[int, str]]]:
            if paths:
                raise OSError(28, "no more watches")
            yield set()

        monkeypatch.setattr(reload, "awatch", refusing)
        monkeypatch.setattr(reload, "_LOOK_MS", 20)
        async with following(file) as found:
            save(file.parent / "mine" / "a.toml", rule("two"))
            await found.until_rules("two")
        assert any("no more watches" in str(line.get("error")) for line in logged())

    async def test_nothing_is_followed_where_the_configuration_says_so(self, file: Path) -> None:
        save(file, CONFIG + "reload = false\n")
        found = Following(file)
        found.loader.load()
        await found.loader.watch()
        await found.until(lambda: found.loader.status.is_accelerated)

    async def test_a_file_is_read_when_it_has_been_left_alone(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An emptied configuration is a valid one, and must not be live while its content is on the way."""
        async with following(file) as found:
            save(file, "")
            await asyncio.sleep(0.02)
            save(file, CONFIG + 'profile = "strict"\n')
            await found.until(lambda: bool(found.swapped) and found.swapped[-1].config.rules.profile == "strict")
            assert all(set(loaded.rules.rules) == {"one"} for loaded in found.swapped)

    async def test_a_file_that_says_the_same_as_before_is_no_change(self, file: Path) -> None:
        async with following(file) as found:
            await found.until(lambda: found.loader.status.is_accelerated)
            save(file, CONFIG)
            save(file.parent / "notes.txt", "not ours")
            save(file.parent / "mine" / "b.toml", rule("two"))
            await found.until_rules("one", "two")
            save(file.parent / "notes.txt", "not ours either")
            save(file, CONFIG)
            await asyncio.sleep(0.3)
            assert [len(loaded.rules.rules) for loaded in found.swapped] == [1, 2, 2]

    async def test_a_file_that_is_never_left_alone_is_read_all_the_same(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reload, "_SETTLE_TRIES", 2)
        async with following(file) as found:
            pack = file.parent / "mine" / "a.toml"
            for number in range(500):
                save(pack, rule("two") + f"# {number}")
                await asyncio.sleep(0.01)
                if found.rules == {"two"}:
                    break
            await found.until_rules("two")


class TestReloadNow:
    async def test_it_loads_whether_or_not_anything_changed(self, file: Path) -> None:
        found = Following(file)
        found.loader.load()
        before = found.loader.status.loaded_at
        status = await found.loader.reload_now()
        assert before is not None
        assert status.loaded_at is not None
        assert status.loaded_at >= before
        assert found.rules == {"one"}
        await found.until(lambda: found.loader.status.is_accelerated)

    async def test_keys_that_need_a_restart_wait_for_it_and_the_rest_is_applied(self, file: Path) -> None:
        found = Following(file)
        found.loader.load()
        save(file, CONFIG + 'profile = "strict"\n[gateway]\nlisten = "127.0.0.1:1"\nmax_request = 9\n')
        status = await found.loader.reload_now()
        assert status.needs_restart == ("gateway.listen",)
        config = found.swapped[-1].config
        assert config.gateway.listen == Config().gateway.listen
        assert (config.gateway.max_request, config.rules.profile) == (9, "strict")
        await found.until(lambda: found.loader.status.is_accelerated)
        assert found.loader.status.needs_restart == ("gateway.listen",)

    async def test_a_pre_filter_that_another_process_made_meanwhile_is_taken(
        self, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = Following(file)
        loaded = found.loader.load()
        shelf = Shelf(tmp_path / "shelf", b"key")
        ready = loaded.rules.accelerated()

        @contextmanager
        def others_first(shelf: Shelf) -> Iterator[None]:
            shelf.store(ready)
            yield

        def none_here(_: RuleSet) -> RuleSet:
            raise AssertionError("it was compiled here too")

        monkeypatch.setattr(Shelf, "turn", others_first)
        monkeypatch.setattr(RuleSet, "accelerated", none_here)
        found.loader.shelf = shelf
        await found.loader.reload_now()
        await found.until(lambda: found.loader.status.is_accelerated)

    async def test_a_first_load_keeps_to_what_others_began_with(self, file: Path) -> None:
        save(file, CONFIG + 'profile = "strict"\n[gateway]\nlisten = "127.0.0.1:1"\n')
        found = Following(file)
        found.loader.origin = Config()
        loaded = found.loader.load()
        assert loaded.config.gateway.listen == Config().gateway.listen
        assert loaded.config.rules.profile == "strict"
        assert "gateway.listen" in found.loader.status.needs_restart


def test_a_key_that_needs_a_restart_is_a_key() -> None:
    text = '[gateway]\nlisten = "a:1"\nsecret_env = "S"\nstate_dir = "s"\nparent_proxy_env = "P"\nworkers = 2\n'
    text += '[admin]\nlisten = "a:2"\ntoken_env = "T"\n'
    text += '[store]\nurl_env = "U"\nca_file = "r"\nprefix = "p"\ntimeout = "1s"\n'
    text += '[rules]\nreload = false\n[audit]\nenabled = false\nfolder = "f"\nkeep = "1d"\nfsync = false\n'
    text += '[proxy]\nenabled = false\nlisten = "a:3"\nca_dir = "c"\nname_constraints = ["a.b"]\nleaf_lifetime = "1d"\n'
    text += 'hop = "127.0.0.1:4"\n[log]\nlevel = "debug"\nformat = "json"\n'
    config, waiting = carried(Config(), parse(text, "gate.toml"))
    assert set(waiting) == set(NEEDS_RESTART) - {"gateway.secret_file", "store.url"}
    assert config == Config()


async def test_a_pushed_pack_is_served_as_it_was_pushed_line_ends_included(file: Path, tmp_path: Path) -> None:
    text = rule("two").replace("\n", "\r\n")
    (tmp_path / "pushed").mkdir()
    (tmp_path / "pushed" / "b.toml").write_bytes(text.encode())
    loader = Loader(file, {}, b"key", lambda _: None, pushed=tmp_path / "pushed")
    loader.load()
    assert loader.serving_pushed == {"b.toml": text}
