"""Which paths tools may be given, however they are spelt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.tools.path_readings import MAX_NAME, MAX_PATH, MAX_STEPS
from gateway.policy.tools.paths import PathPolicy, folder, glob


def policy(allow: str = "", deny: str = "", root: str | None = None, *, ignore_case: bool = False) -> PathPolicy:
    start = folder(root) if root else None
    return PathPolicy(
        tuple(glob(text, start) for text in allow.split()),
        tuple(glob(text, start) for text in deny.split()),
        start,
        ignore_case,
    )


OUTSIDE = "is not within `/srv/data/**`"


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/srv/data", None),
        ("/srv/data/", None),
        ("/srv/data/a/b.txt", None),
        ("/srv//data/./a", None),
        ("/srv/data/a/../b", None),
        ("/srv/x/../data/b", None),
        ("file:///srv/data/a", None),
        ("file://localhost/srv/data/a%20b", None),
        ("/srv/data/50% off.txt", None),
        ("/srv/data/app/[id]/*.tsx", None),
        ("/srv/data/übung", None),
        ("/srv/data/u\u0308bung", None),
        ("/srv/data/back\\slash", None),
        (" /srv/data/a", "is relative, and no `root` says to what"),
        ("'/srv/data/a'", "is relative, and no `root` says to what"),
        ("/srv/data/%61", None),
        ("a", "is relative, and no `root` says to what"),
        ("../srv/data/a", "is relative, and no `root` says to what"),
        ("/srv/data/../secret", OUTSIDE),
        ("/srv/data/a/../../secret", OUTSIDE),
        ("/srv/data/%2e%2e/secret", OUTSIDE),
        ("/srv/data/%2E./secret", OUTSIDE),
        ("/srv/data/%252e%252e/secret", OUTSIDE),
        ("/srv/data/..%2fsecret", OUTSIDE),
        ("/srv/data/..\\secret", OUTSIDE),
        ("/srv/data\\..\\..\\secret", OUTSIDE),
        ("/srv/data/\uff0e\uff0e/secret", OUTSIDE),
        ("/srv/data/\u2025/secret", OUTSIDE),
        ("/srv/data/..\uff0fsecret", OUTSIDE),
        ("/srv/data/..\u2215secret", OUTSIDE),
        ("/srv/data/..\u2044secret", OUTSIDE),
        ("/srv/data/.\u200b./secret", OUTSIDE),
        ("/srv/data/x//../../secret", OUTSIDE),
        ("/srv/data/a//../../../data/b/../../x", OUTSIDE),
        ("//srv/data/a", OUTSIDE),
        ("/srv/database", OUTSIDE),
        ("/srv/*", OUTSIDE),
        ("/srv/dat?/a", OUTSIDE),
        ("/**", OUTSIDE),
        ("/srv/{data,secret}/a", OUTSIDE),
        ("/SRV/data/a", OUTSIDE),
        ("~/a", OUTSIDE),
        ("~root/a", OUTSIDE),
        ("$HOME/a", OUTSIDE),
        ("C:\\srv\\data\\a", OUTSIDE),
        ("C:/srv/data", OUTSIDE),
        ("C:srv", OUTSIDE),
        ("\\\\?\\C:\\srv\\data", OUTSIDE),
        ("\\\\server\\share", OUTSIDE),
        ("\\\\.\\pipe\\x", OUTSIDE),
        ("/proc/self/root/srv/data/a", OUTSIDE),
        ("file://server/srv/data/a", OUTSIDE),
        ("/srv/data/a,b", None),
        ("/srv/data/a, b:c", None),
        ("/srv/data/a,/srv/data/b", None),
        ("/srv/data/a,/etc/shadow", OUTSIDE),
        ("/srv/data/a;/etc/shadow", OUTSIDE),
        ("/srv/data/a /etc/shadow", OUTSIDE),
        ("/srv/data/a:/etc/shadow", OUTSIDE),
        ("/srv/data/a|~/.ssh", OUTSIDE),
        ("/srv/data/a, ../b", "is relative, and no `root` says to what"),
        ("/srv/data/a,C:\\x", OUTSIDE),
        ("/srv/data/$VAR", None),
        ("/srv/$VAR/a", OUTSIDE),
        ("/srv/data/$VAR/../../x", OUTSIDE),
        ("$VAR/a", OUTSIDE),
        ("%APPDATA%/x", OUTSIDE),
        ("%APPDATA%\\x", OUTSIDE),
        ("/srv/data/`id`", "holds a command, whose output is not known"),
        ("/srv/data/$(id)", "holds a command, whose output is not known"),
        ("/srv/data/a\0.txt", "holds a NUL or another control character"),
        ("/srv/data/a%00.txt", "holds a NUL or another control character"),
        ("/srv/data/a\nb", "holds a NUL or another control character"),
        ("/srv/data/%u002e%u002e/x", "holds an escape of the form %uXXXX"),
        ("/srv/data/%c0%ae%c0%ae/x", "holds escapes that are no UTF-8"),
        ("/srv/data/%2525252e", "is escaped more than 3 times"),
        ("https://srv/data/a", "is a URL, not a path"),
        ("/proc/self/cwd/x", "leads through an open file or a working folder of a process"),
        ("/proc/1/fd/3", "leads through an open file or a working folder of a process"),
        ("/dev/fd/3", "leads through an open file or a working folder of a process"),
        ("", "is empty"),
        ("  ", "is empty"),
        ("/" + "a" * (MAX_NAME + 1), f"has a step of more than {MAX_NAME} characters"),
        ("/" + "a" * MAX_PATH, f"is longer than {MAX_PATH} characters"),
        ("/a" * (MAX_STEPS + 1), f"has more than {MAX_STEPS} steps"),
    ],
)
def test_a_path_is_within_what_is_allowed_however_it_is_read(path: str, fault: str | None) -> None:
    assert policy("/srv/data/**").fault(path) == fault


@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow",
        "/etc//shadow",
        "/etc/./shadow",
        "/tmp/../etc/shadow",
        "/ETC/Shadow",
        "/etc/shadow/",
        "/etc/%73hadow",
        "/etc/%2573hadow",
        "/%65tc/shadow",
        "/etc/shad\u200dow",
        "/etc/\uff53hadow",
        "\uff0fetc\uff0fshadow",
        "/etc\\shadow",
        "/etc/shado?",
        "/etc/sh*",
        "/etc/[s]hadow",
        "/etc/{shadow,passwd}",
        "/**/shadow",
        "/*/shadow",
        "/proc/self/root/etc/shadow",
        "/proc/1/root/etc/shadow",
        "/proc/thread-self/root/etc/shadow",
        "/proc/self/task/12/root/etc/shadow",
        "/proc/self/root/proc/self/root/etc/shadow",
        "/proc/self/root/../etc/shadow",
        "../../../../etc/shadow",
        "../../proc/self/root/etc/shadow",
        "~/../../etc/shadow",
        "file:///etc/shadow",
        "FILE:/etc/shadow",
        "file:///etc/shadow?x#y",
        "file://localhost/etc/shadow",
        "/private/etc/shadow",
        "/System/Volumes/Data/private/etc/shadow",
        "/etc/shadow.",
        "/etc/shadow ",
        "/etc/shadow:stream",
        "'/etc/shadow'",
        '"/etc/shadow"',
        "/a//../etc/shadow",
        "a,/etc/shadow",
        "/srv/a:/etc/shadow",
        "a.txt ../../etc/shadow",
        "/etc/$X",
        "$X/shadow",
        "$X",
        "/${X}shadow",
        "%X%\\shadow",
    ],
)
def test_what_is_denied_is_denied_in_every_spelling(path: str) -> None:
    assert policy(deny="/etc/shadow").fault(path) == "is denied by `/etc/shadow`"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "https://a.test/etc/shadow",
        "/srv/$X",
        "$X/passwd",
        "$.a",
        "shadow",
        "etc/shadow",
        "/srv/etc/shadow",
        "/etc/shadows",
        "/etc",
        "~/etc/shadow",
    ],
)
def test_what_is_not_denied_is_allowed_where_nothing_is_listed(path: str) -> None:
    assert policy(deny="/etc/shadow").fault(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "~/.ssh",
        "~/.ssh/id_rsa",
        "~/x/../.ssh/id_rsa",
        "/root/.ssh/id_rsa",
        "/home/alice/.ssh/id_rsa",
        "/Users/alice/.SSH/id_rsa",
        "C:\\Users\\alice\\.ssh\\id_rsa",
        "d:/users/alice/.ssh",
        "\\\\?\\C:\\Users\\alice\\.ssh",
        "\\\\.\\C:\\Users\\alice\\.ssh",
        "\\\\localhost\\c$\\Users\\alice\\.ssh",
        "\\\\machine\\c$\\Users\\alice\\.ssh",
        "C:\\Users\\alice\\.ssh. \\id_rsa",
        "C:\\Users\\alice\\SSH~1\\id_rsa",
        "C:\\Users\\ALICE~1\\.ssh\\id_rsa",
        "C:\\Users\\alice\\.ssh\\id_rsa::$DATA",
        "file:///C:/Users/alice/.ssh",
        "file:///c|/Users/alice/.ssh",
        "\\\\?\\GLOBALROOT\\C:\\Users\\alice\\.ssh",
        "~alice/.ssh/id_rsa",
        "~/../alice/.ssh/id_rsa",
        "../alice/.ssh/id_rsa",
        "$HOME/.ssh",
        "${HOME}/.ssh",
        "%USERPROFILE%\\.ssh",
        "$env:USERPROFILE\\.ssh",
        "%24HOME/.ssh",
    ],
)
def test_a_home_folder_is_found_where_systems_have_it(path: str) -> None:
    assert policy(deny="~/.ssh/**").fault(path) == "is denied by `~/.ssh/**`"


@pytest.mark.parametrize(
    "path", ["/srv/.ssh/x", "/home/.ssh", "/home/alice/ssh", "C:\\Temp\\.ssh", "\\\\server\\c$\\x"]
)
def test_other_folders_are_no_home(path: str) -> None:
    assert policy(deny="~/.ssh/**").fault(path) is None


@pytest.mark.parametrize(
    ("path", "is_denied"),
    [
        (".env", True),
        ("a/.env", True),
        ("/srv/.ENV", True),
        ("C:\\x\\.env", True),
        ("\\\\server\\share\\.env", True),
        ("~/.env", True),
        (".env.example", False),
        ("a/env", False),
        (".env/x", True),
    ],
)
def test_two_asterisks_stand_for_any_number_of_steps(path: str, is_denied: bool) -> None:
    assert policy(deny="**/.env").fault(path) == ("is denied by `**/.env`" if is_denied else None)


@pytest.mark.parametrize(
    ("path", "is_about"),
    [
        ("src/**", True),
        ("./**/.env", True),
        ("**/.e*", True),
        ("a/{.env,b}", True),
        ("a/{b,{c,.env}}", True),
        ("a/.{a,b,env}", True),
        ("a/.[e]nv", True),
        ("a/.e" + "{n,m}" * 8 + "v", True),  # more than are looked at
        ("a/.{" + "n," * 70 + "}", True),
        ("src/**/*.py", False),
        ("**/*.py", False),
        ("src/*", False),
        ("src/*.{ts,tsx}", False),
        ("app/[id]/page.tsx", False),
        ("app/[...slug]/page.tsx", False),
        ("/users/{id}/posts", False),
    ],
)
def test_a_search_is_about_what_it_names(path: str, is_about: bool) -> None:
    assert policy(deny="**/.env").fault(path) == ("is denied by `**/.env`" if is_about else None)


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("a", None),
        ("docs/../a", None),
        ("docs\\a", None),
        ("/srv/work/a", None),
        ("../work/a", None),
        ("../other", "is not within `/srv/work`"),
        ("docs/../../other", "is not within `/srv/work`"),
        ("secret/x", "is denied by `secret`"),
        ("/srv/work/secret/x", "is denied by `secret`"),
        ("./a/../SECRET", "is denied by `secret`"),
    ],
)
def test_a_relative_path_starts_at_the_root(path: str, fault: str | None) -> None:
    assert policy("/srv/work", "secret", "/srv/work").fault(path) == fault


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("docs/a.md", None),
        ("docs/b/a.md", "is not within `docs/*.md`"),
        ("docs/a.txt", "is not within `docs/*.md`"),
        ("docs/*.md", None),
        ("docs/*", "is not within `docs/*.md`"),
        ("../../docs/a.md", "is not within `docs/*.md`"),
    ],
)
def test_a_pattern_below_the_root(path: str, fault: str | None) -> None:
    assert policy("docs/*.md", root="/srv").fault(path) == fault


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("~/work/a", None),
        ("a", None),
        ("$HOME/work/a", None),
        ("../other", "is not within `~/work`"),
        ("../../..", "is not within `~/work`"),
        ("../../../x/work", "is not within `~/work`"),
        ("~/../x", "is not within `~/work`"),
        ("/home/alice/work/a", "is not within `~/work`"),
    ],
)
def test_a_home_that_is_allowed_is_only_what_is_spelt_so(path: str, fault: str | None) -> None:
    assert policy("~/work", root="~/work").fault(path) == fault


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("C:\\work\\a", None),
        ("c:/WORK/a", None),
        ("\\\\?\\C:\\Work\\a", None),
        ("a\\b", None),
        ("C:\\work\\..\\x", "is not within `C:/Work`"),
        ("C:\\work\\NUL", None),
        ("D:\\work", "is not within `C:/Work`"),
        ("C:work", "is not within `C:/Work`"),
        ("/work/a", "is not within `C:/Work`"),
        ("C:\\PROGRA~1", "is not within `C:/Work`"),
        ("\\\\localhost\\c$\\work", "is not within `C:/Work`"),
    ],
)
def test_drives_mind_no_case(path: str, fault: str | None) -> None:
    assert policy("C:/Work", root="C:/Work").fault(path) == fault


def test_shares_are_places_too() -> None:
    assert policy("//server/share").fault("\\\\SERVER\\Share\\x") is None
    assert policy("C:/Work").fault("C:\\Work\\x") is None
    assert policy("C:/").fault("C:/../../etc") == "is relative, and no `root` says to what"
    assert policy(deny="//server/share").fault("\\\\?\\UNC\\SERVER\\Share\\x") == "is denied by `//server/share`"
    assert policy(deny="//server/share").fault("file://server/share/x") == "is denied by `//server/share`"


def test_case_is_ignored_where_that_is_declared() -> None:
    assert policy("/Srv/Data", ignore_case=True).fault("/sRV/dATA/a") is None
    assert policy("/Srv/Data").fault("/sRV/dATA/a") == "is not within `/Srv/Data`"


def test_several_are_named_and_what_denies_wins() -> None:
    both = policy("/srv /opt", "/srv/x")
    assert both.fault("/etc") == "is not within `/srv` or `/opt`"
    assert both.fault("/srv/x/y") == "is denied by `/srv/x`"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("docs", "is relative, and there is no `root`"),
        ("", "is relative, and there is no `root`"),
        ("*", "is relative, and there is no `root`"),
        ("/srv/../x", "climbs with `..`"),
        ("/srv/[ab]", "holds brackets or braces"),
        ("/srv/{a,b}", "holds brackets or braces"),
        ("/srv/\0", "holds brackets or braces"),
    ],
)
def test_a_pattern_that_means_nothing_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError) as caught:
        glob(text)
    assert str(caught.value).startswith(why)
    assert 'accepted: "/srv/data"' in str(caught.value)


@pytest.mark.parametrize("text", ["**", "/srv/*/x", "**/x", "srv"])
def test_a_root_is_one_folder(text: str) -> None:
    with pytest.raises(ValueError):
        folder(text)


@pytest.mark.parametrize(
    ("one", "other"), [("/srv", "/srv/*"), ("/srv/**", "/srv/"), ("/", "/**"), ("C:/x", "c:\\x\\**")]
)
def test_a_folder_and_its_subtree_are_one_pattern(one: str, other: str) -> None:
    assert glob(one).steps == glob(other).steps


@pytest.mark.parametrize(
    ("pattern", "step", "is_touched"),
    [
        ("/a*c", "/abc", True),
        ("/a*c", "/ab", False),
        ("/?", "/ab", False),
        ("/*b*d", "/abcd", True),
        ("/a?c", "/a*", True),
    ],
)
def test_wildcards_stand_for_letters(pattern: str, step: str, is_touched: bool) -> None:
    assert glob(pattern).touches(("/", step[1:])) is is_touched


def test_wildcards_take_no_time() -> None:
    assert policy(deny="/" + "*a" * 30).fault("/" + "a" * 200 + "b") is None


_STEP = st.sampled_from(["a", "b", "..", ".", "", "*", "%2e%2e", "a\\b", "~", "C:", "proc", "self", "root", "A"])
_PATH = st.builds(
    lambda start, steps: start + "/".join(steps), st.sampled_from(["", "/", "~/", "C:/"]), st.lists(_STEP, max_size=6)
)
_PATTERNS = st.lists(st.sampled_from(["/a", "/a/b", "**/b", "~/a", "C:/a", "/", "/a/*/b", "**/A*"]), max_size=4)


@given(_PATH, _PATTERNS, _PATTERNS, _PATTERNS)
def test_more_constraints_never_allow_more(path: str, allow: list[str], deny: list[str], more: list[str]) -> None:
    wide = PathPolicy(tuple(map(glob, allow)), tuple(map(glob, deny)))
    assert wide.fault(path) is None or PathPolicy(wide.allow, (*wide.deny, *map(glob, more))).fault(path) is not None
    if allow and more:
        narrow = PathPolicy(tuple(map(glob, allow[:1])), wide.deny)
        assert wide.fault(path) is None or narrow.fault(path) is not None


@given(_PATH, _PATTERNS, _PATTERNS)
def test_the_order_of_patterns_does_not_matter(path: str, allow: list[str], deny: list[str]) -> None:
    one = PathPolicy(tuple(map(glob, allow)), tuple(map(glob, deny))).fault(path)
    other = PathPolicy(tuple(map(glob, allow[::-1])), tuple(map(glob, deny[::-1]))).fault(path)
    assert (one is None) == (other is None)
