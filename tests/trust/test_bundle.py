"""What agents are told to trust: our authorities, with the roots of the machine or alone."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.trust import bundle
from gateway.trust.authority import made, pem
from gateway.trust.bundle import OVERRIDE, certificates_in, host_roots, write
from tests.trust.machine import ROOT, roots
from tests.trust.times import clock

NOW = clock()()
OURS, EARLIER = (made((), NOW).certificate for _ in range(2))
OTHER_ROOT = pem(made((), NOW).certificate)


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    folder = tmp_path / "ca"
    folder.mkdir()
    return folder


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A machine whose roots are one."""
    return {OVERRIDE: str(roots(tmp_path / "roots.pem", ROOT))}


def test_one_file_has_ours_alone_and_the_other_the_roots_of_the_machine_too(ca: Path, environ: dict[str, str]) -> None:
    files = write(ca, (OURS, EARLIER), environ)
    assert files.ours.read_text() == pem(OURS) + pem(EARLIER)
    assert files.everything.read_text() == pem(OURS) + pem(EARLIER) + ROOT
    assert files.roots == 1
    assert {stat.S_IMODE(path.stat().st_mode) for path in ca.iterdir()} == {0o600}
    assert len(list(ca.iterdir())) == 2


def test_openssl_reads_them(ca: Path, environ: dict[str, str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(write(ca, (OURS, EARLIER), environ).everything)
    assert len(context.get_ca_certs()) == 3


def test_what_is_as_it_should_be_is_left_alone_and_what_is_not_is_renewed(ca: Path, environ: dict[str, str]) -> None:
    before = {path: path.stat().st_ino for path in (write(ca, (OURS,), environ).everything, ca / "ca.pem")}
    write(ca, (OURS,), environ)
    assert {path: path.stat().st_ino for path in before} == before
    roots(Path(environ[OVERRIDE]), ROOT, OTHER_ROOT)
    files = write(ca, (OURS,), environ)
    assert files.everything.read_text() == pem(OURS) + ROOT + OTHER_ROOT
    assert files.ours.stat().st_ino == before[files.ours]


def test_our_authority_is_in_it_once_even_if_the_machine_trusts_it_already(ca: Path, tmp_path: Path) -> None:
    files = write(ca, (OURS,), {OVERRIDE: str(roots(tmp_path / "roots.pem", ROOT, pem(OURS)))})
    assert files.everything.read_text() == pem(OURS) + ROOT
    assert files.roots == 1


class TestInsideOfOurOwnEnvironment:
    """A shell in `lockgate exec` has SSL_CERT_FILE set to our bundle, and no longer what it was before."""

    def test_the_roots_stay_what_they_were_and_earlier_authorities_do_not_become_roots(
        self, ca: Path, environ: dict[str, str]
    ) -> None:
        files = write(ca, (OURS, EARLIER), environ)
        inside = {OVERRIDE: str(files.everything)}
        assert write(ca, (OURS,), inside).roots == 1
        assert files.everything.read_text() == pem(OURS) + ROOT

    def test_another_spelling_of_its_path_is_ours_too(self, ca: Path, environ: dict[str, str]) -> None:
        write(ca, (OURS, EARLIER), environ)
        (ca.parent / "link").symlink_to(ca)
        write(ca, (OURS,), {OVERRIDE: str(ca.parent / "link" / "bundle.pem")})
        assert (ca / "bundle.pem").read_text() == pem(OURS) + ROOT

    def test_a_bundle_that_is_gone_is_made_from_the_machine_s_roots(
        self, ca: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bundle, "_PLACES", (environ[OVERRIDE],))
        write(ca, (OURS,), {OVERRIDE: str(ca / "bundle.pem")})
        assert (ca / "bundle.pem").read_text() == pem(OURS) + ROOT


class TestRootsOfTheMachine:
    def test_the_first_place_that_has_some_gives_them(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        empty = roots(tmp_path / "empty.pem", "# none\n")
        second, third = roots(tmp_path / "2.pem", ROOT), roots(tmp_path / "3.pem", OTHER_ROOT)
        places = (str(tmp_path / "none.pem"), str(empty), str(second), str(third))
        monkeypatch.setattr(bundle, "_PLACES", places)
        assert host_roots(None) == host_roots("") == (ROOT,)

    def test_without_such_a_place_python_is_asked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bundle, "_PLACES", ())
        monkeypatch.setenv(OVERRIDE, str(roots(tmp_path / "roots.pem", ROOT)))
        assert host_roots(None) == (ROOT,)

    def test_a_machine_may_have_none(self, ca: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bundle, "_PLACES", ())
        monkeypatch.setenv(OVERRIDE, str(roots(tmp_path / "roots.pem")))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
        files = write(ca, (OURS,), {})
        assert files.roots == 0
        assert files.everything.read_text() == pem(OURS)

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            (None, "the file that SSL_CERT_FILE names cannot be used: No such file or directory"),
            ("no certificates", "SSL_CERT_FILE names it, but it holds no certificate in PEM; unset SSL_CERT_FILE"),
        ],
    )
    def test_a_named_file_that_cannot_be_used_is_not_passed_over(
        self, tmp_path: Path, text: str | None, why: str
    ) -> None:
        path = tmp_path / "named.pem"
        if text is not None:
            path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            host_roots(str(path))
        assert caught.value.problems == (f"{path}: {why}",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        (f"# Root CA\n{ROOT}more\n{OTHER_ROOT}", (ROOT, OTHER_ROOT)),
        (ROOT + ROOT, (ROOT,)),
        (ROOT.replace("\n", "\r\n"), (ROOT,)),
        ("\xe9\xff" + ROOT, (ROOT,)),
        ("-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n" + ROOT, (ROOT,)),
        (ROOT[:-30] + "\n" + OTHER_ROOT, (OTHER_ROOT,)),
        (ROOT.replace(" CERTIFICATE", " PRIVATE KEY"), ()),
    ],
)
def test_certificates_are_taken_from_a_file_and_nothing_else(text: str, found: tuple[str, ...]) -> None:
    assert certificates_in(text.encode("latin-1")) == found
