"""mitmproxy's copy of the authority: as secret as the original, as new, and gone as soon."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from mitmproxy.certs import CertStore
from mitmproxy.options import CONF_BASENAME

from gateway.errors import ConfigError
from gateway.trust import folder, mitmproxy
from tests.trust.times import clock

NOW = clock()()


def test_mitmproxy_signs_with_the_authority_of_the_gateway(tmp_path: Path) -> None:
    found = folder.ensure(tmp_path, (), NOW)
    confdir = mitmproxy.write(tmp_path, found)
    store = CertStore.from_store(confdir, CONF_BASENAME, 2048)
    assert store.default_ca.to_cryptography() == found.certificate
    assert store.default_privatekey.public_key() == found.key.public_key()


def test_the_copy_is_for_its_owner_alone_whatever_was_there(tmp_path: Path) -> None:
    found = folder.ensure(tmp_path, (), NOW)
    (tmp_path / "mitmproxy").mkdir(mode=0o777)
    (tmp_path / "mitmproxy" / "mitmproxy-ca.pem").write_text("open to all")
    (tmp_path / "mitmproxy").chmod(0o777)
    confdir = mitmproxy.write(tmp_path, found)
    (file,) = confdir.iterdir()
    assert stat.S_IMODE(confdir.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == found.text()


def test_a_rotation_destroys_the_copy_of_the_old_key_too(tmp_path: Path) -> None:
    confdir = mitmproxy.write(tmp_path, folder.ensure(tmp_path, (), NOW))
    folder.rotate(tmp_path, (), NOW)
    assert list(confdir.iterdir()) == []
    folder.rotate(tmp_path, (), NOW)  # where there is none


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    found = folder.ensure(tmp_path, (), NOW)
    (tmp_path / "mitmproxy").write_text("a file")
    with pytest.raises(ConfigError, match=r"mitmproxy: the folder of mitmproxy's certificate authority cannot be used"):
        mitmproxy.write(tmp_path, found)
