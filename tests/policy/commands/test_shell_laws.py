"""Laws of reading commands: spelling does not matter, nothing raises, and everything is bounded."""

from __future__ import annotations

import subprocess
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.commands.evaluate.notes import MAX_COMMANDS
from gateway.policy.commands.grammar.cursor import MAX_DEPTH, MAX_TEXT
from gateway.policy.commands.report import CommandReport
from gateway.policy.commands.shell import read_argv, read_shell
from tests.policy.commands.told import told


def _octal(word: str) -> str:
    return "$'" + "".join(f"\\{ord(letter):03o}" for letter in word) + "'"


def _hex(word: str) -> str:
    return "$'" + "".join(f"\\x{ord(letter):02x}" for letter in word) + "'"


def _wide(word: str) -> str:
    return "$'" + "".join(f"\\u{ord(letter):04x}" for letter in word) + "'"


_SPELLINGS = (
    lambda word: word,
    lambda word: f"'{word}'",
    lambda word: f'"{word}"',
    lambda word: f'$"{word}"',
    lambda word: "".join(f"\\{letter}" for letter in word),
    lambda word: "''".join(word),
    lambda word: '""'.join(word),
    lambda word: "\\\n".join(word),
    lambda word: f"{word[0]}'{word[1:]}'",
    lambda word: f"{word[0]}$@{word[1:]}",
    lambda word: f"$(echo {word})",
    lambda word: f"`printf %s {word}`",
    _octal,
    _hex,
    _wide,
)
_WORDS = st.text(alphabet="abcmrxyz019./_-", min_size=2, max_size=8).filter(lambda word: word[0] not in "-#")


def _without_ways(report: CommandReport) -> set[str]:
    """What is told, but for the programs that only make a word."""
    return {line for line in told(report) if not line.startswith(("runs echo", "runs printf"))}


@given(name=st.sampled_from(["rm", "cat", "chmod", "curl"]), word=_WORDS, data=st.data())
def test_a_word_is_the_same_in_any_spelling(name: str, word: str, data: st.DataObject) -> None:
    spelt = data.draw(st.sampled_from(_SPELLINGS))(name)
    other = data.draw(st.sampled_from(_SPELLINGS))(word)
    assert _without_ways(read_shell(f"{spelt} {other}")) == _without_ways(read_shell(f"{name} '{word}'"))


_PIECES = [
    *"$(){}`\"'\\\n ;|&<>*?[]!#=:/%-@,~a1",
    *(
        "rm",
        "x=",
        "$x",
        "${x",
        "${x:-",
        "${!x}",
        "${x//",
        "<<E",
        "\nE\n",
        "&&",
        "||",
        "if ",
        "then ",
        "fi",
        "for x in ",
        "do ",
    ),
    *(
        "done",
        "while ",
        "case ",
        " in ",
        "esac",
        "echo ",
        "eval ",
        "sh -c ",
        "base64 -d",
        "xargs ",
        "sudo ",
        "$((",
        "))",
        "<(",
    ),
    *(
        "{a,b}",
        "{1..9}",
        "$'",
        "\\x",
        "sed ",
        "find ",
        "-exec ",
        "python -c ",
        "awk ",
        "function f",
        "f(){",
        "read x",
        "printf ",
    ),
    *(
        "env -S ",
        "tr a b",
        "git -c ",
        "curl ",
        "http://a",
        "é",
        "ｒ",
        "\u202e",
        "\0",
        "declare ",
        "x+=",
        "set -- ",
        "shift",
        "$1",
    ),
    *(
        '"$@"',
        "cmd /c ",
        "powershell -enc ",
        "tar ",
        "IFS=",
        "alias a=",
        "trap ",
        "x=(",
        "[[ ",
        " ]]",
        "select x in ",
        "coproc ",
    ),
]
_TEXTS = st.one_of(st.text(max_size=80), st.lists(st.sampled_from(_PIECES), max_size=40).map("".join))


@settings(max_examples=400, deadline=None)
@given(_TEXTS)
def test_no_text_raises_and_what_is_not_empty_is_never_silently_nothing(text: str) -> None:
    report = read_shell(text)
    assert len(report.programs) <= 2 * MAX_COMMANDS
    assert report.is_parsed or report.opaque


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=6))
def test_no_list_of_arguments_raises(arguments: list[str]) -> None:
    report = read_argv(arguments)
    assert report.is_parsed or report.opaque


@settings(max_examples=100, deadline=None)
@given(_TEXTS, st.sampled_from([";", "\n", "&", "&&", "||", "|"]))
def test_a_command_before_is_still_told(text: str, separator: str) -> None:
    """However a text ends, what came before it is not hidden by it."""
    report = read_shell(f"rm -rf /{separator} {text}")
    assert "deletes /" in told(report) or not report.is_parsed


_DEEP = [
    ("substitutions", "$(" * 20_000),
    ("subshells", "(" * 60_000),
    ("backticks", "`\\`" * 20_000),
    ("groups", "{ " * 30_000),
    ("defaults", "${a:-" * 10_000),
    ("conditions", "if " * 20_000),
    ("cases", "case x in " * 6_000),
    ("arrays", "a=(" * 20_000),
    ("processes", "<(" * 30_000),
    ("functions", "f(){ " * 10_000),
    ("arithmetic", "$((" * 20_000),
    ("quotes in expansions", '$("${a[`' * 8_000),
    ("shells", "sh -c " * 50 + "x"),
    ("texts in texts", "eval '" * 2_000),
    ("wrappers", "sudo " * 10_000),
    ("a function that calls itself", "f(){ f; f; };f"),
    ("functions that call one another", "f(){ g; g; };g(){ f; f; };f"),
    ("a fork bomb", ":(){ :|:& };:"),
    ("a text that evaluates itself", 'x="eval \\$x"; eval $x'),
]


@pytest.mark.parametrize("text", [row[1] for row in _DEEP], ids=[row[0] for row in _DEEP])
def test_what_is_nested_too_deep_is_not_taken_for_nothing(text: str) -> None:
    report = read_shell(text)
    assert report.opaque
    assert len(report.programs) <= MAX_COMMANDS


_WIDE = [
    ("a variable that is doubled", "x=aaaaaaaaaa;" + "x=$x$x;" * 60),
    ("a value that is written often", "x=a;" + "x=$x$x;" * 16 + "echo $x;" * 500),
    ("choices of choices", "if a;then x=1;else x=2;fi;echo " + "$x" * 10_000),
    ("braces", "echo " + "{a,b}" * 30),
    ("sequences", "echo {1..1000}{1..1000}"),
    ("a long sequence", "echo {1..999999999999}"),
    ("open braces", "echo " + "{" * 30_000),
    ("loops in loops", "for a in {1..60}; do for b in {1..60}; do for c in {1..60}; do x; done; done; done"),
    ("loops without an end", "while a; do " * 12 + "x; " + "done;" * 12),
    ("commands", "a;" * 30_000),
    ("powers", "echo $((9**9**9**9**9)) {1..9}{1..9}{1..9}{1..9}"),
    ("length", "a" * (MAX_TEXT + 1)),
    ("texts that are read again", "x='" + "#" * 60_000 + "';" + "eval $x;" * 20),
]


@pytest.mark.parametrize("text", [row[1] for row in _WIDE], ids=[row[0] for row in _WIDE])
def test_what_grows_beyond_the_bounds_is_not_followed(text: str) -> None:
    report = read_shell(text)
    assert report.opaque
    assert len(report.programs) <= 2 * MAX_COMMANDS


def test_depth_up_to_the_bound_is_followed() -> None:
    deep = MAX_DEPTH // 2 - 1
    assert "deletes /" in told(read_shell("$(" * deep + "rm /" + ")" * deep))


_SAFE = st.lists(
    st.sampled_from(
        [
            *(
                "a",
                "b",
                "x y",
                "'q r'",
                '"s"',
                "\\t",
                "$'\\x41'",
                "$x",
                '"$x"',
                "${x}",
                "${x:1:2}",
                "${x#h}",
                "${x%o}",
                "${x/l/L}",
            ),
            *(
                "${x//l/_}",
                "${x^^}",
                "${#x}",
                "${y:-d}",
                "${x:+s}",
                "${z[0]}",
                "${z[@]}",
                '"${z[@]}"',
                "${z[*]}",
                "{1,2}",
                "{a..c}",
            ),
            *(
                "$((1+2*3))",
                "$(echo e f)",
                '"$(echo e f)"',
                "`echo g`",
                "$@",
                '"$@"',
                "$1",
                "${!n}",
                "{x,}y",
                "''",
                '""',
                " ",
                " ",
            ),
            *(
                "${x##*l}",
                "${x%%l*}",
                "${u:-$x}",
                "$IFS",
                "\\ ",
                "~",
                "${x: -2}",
                "$((x2))",
                "{3..1}",
                "{a,b{c,d}}",
                "$(printf '%s-' 1 2)",
            ),
        ]
    ),
    max_size=8,
).map("".join)


@settings(max_examples=60, deadline=None)
@given(_SAFE)
def test_words_are_what_bash_makes_of_them(words: str) -> None:
    """Held against a real Bash, with the same variables set; there, each argument comes back before a NUL."""
    setup = "unset y u x2; HOME='~'; x='hello'; n=x; z=(one 'two three'); set --; set -f; "
    shown = subprocess.run(
        ["bash", "-c", f"{setup} printf '%s\\0' arg {words}"], capture_output=True, check=True, text=True, env={}
    ).stdout.split("\0")[:-1]
    report = read_shell(f"{setup} prog arg {words}")
    programs = [program for program in report.programs if program.name == "prog"]
    assert programs or report.opaque  # braces can make more words than are followed
    if programs and programs[0].are_resolved:
        assert list(programs[0].arguments) == shown


@pytest.mark.parametrize(
    "text",
    [
        *(
            "a",
            "a;b",
            "a&&b",
            "a|b",
            "a&",
            "a;;",
            "a &&",
            "| a",
            "a | | b",
            "(a)",
            "(a",
            "a)",
            "{ a; }",
            "{ a }",
            "if a; then b; fi",
        ),
        *(
            "for i in a; do b; done",
            "for i; do b; done",
            "while a; do b; done",
            "case a in a) b;; esac",
            "case a in esac",
        ),
        *(
            "case a in (a|b) c;; *) d; esac",
            "f() { a; }",
            "f() (a)",
            "function f { a; }",
            "function f() { a; }",
            "a > b",
            "a >",
            "a 2>&1",
        ),
        *(
            "a <<E\nb\nE",
            "a <<'E'\n$(\nE",
            "echo $(a",
            "echo $(a)",
            "echo `a`",
            'echo "a',
            "echo 'a",
            "echo ${a",
            "echo ${a}",
            "x=(a b)",
        ),
        *(
            "x=(a",
            "[[ a ]]",
            "[[ a",
            "((a))",
            "for ((;;)); do a; done",
            "! a",
            "time a",
            "a # b",
            "a\n\nb",
            "until a; do b; done",
        ),
        *(
            "select i in a; do b; done",
            "coproc a",
            "a <(b)",
            "a >(b)",
            "if a; then b; elif c; then d; else e; fi",
            "a=b c",
            "a=b",
            "> a",
        ),
        *(
            "then",
            "do",
            "done",
            "fi",
            "esac",
            "}",
            "a }",
            "echo }",
            "echo if",
            "a; then",
            "{ a; } > b",
            "(a) > b",
            "a | { b; }",
        ),
        *(
            "a && { b || c; }",
            "echo a#b",
            "echo \\#a",
            "echo $'a\\'b'",
            'echo "`a`"',
            'echo "$(a "b")"',
            "case a in a) esac",
        ),
        *(
            "a <<E <<F\n1\nE\n2\nF",
            "if (a) then b; fi",
            "while (a) do b; done",
            "{ (a) }",
            "[[ a && (b || c) ]]",
            "[[ a =~ ^(b|c)$ ]]",
        ),
    ],
)
def test_the_grammar_takes_what_bash_takes(text: str) -> None:
    """It takes a little more (`f() a`, `if a; then fi`), which other shells take, too."""
    bash = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True, check=False)
    assert read_shell(text).is_parsed == (bash.returncode == 0), bash.stderr


def test_nothing_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_shell("x=abc; echo ${x//[a--b]/} ${x#[[:alpha:]]} ${x%[!a||b]}")
