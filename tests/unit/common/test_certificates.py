from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from exporter.common.certificates import Pem, TlsError, load_authority, load_pair, pem_of, read_pem

if TYPE_CHECKING:
    from pathlib import Path


def test_a_text_and_a_file_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    assert pem_of("cert", None, None) is None
    assert pem_of("cert", "text", None) == Pem("cert", b"text", "the value of cert")
    assert pem_of("cert", None, tmp_path / "f") == Pem("cert_file", b"content", str(tmp_path / "f"))
    with pytest.raises(TlsError, match="cert and cert_file are both set; keep one of them"):
        pem_of("cert", "text", tmp_path / "f")


def test_an_error_has_the_key_the_problem_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TlsError) as raised:
        read_pem("ca_file", tmp_path / "none")
    error = raised.value
    assert (error.key, error.hint) == (("ca_file",), "check the path")
    assert str(error) == f"{error.problem}; {error.hint}"


def test_a_pair_is_loaded_and_its_key_is_not_shown() -> None:
    issued = trustme.CA().issue_cert("x")
    key = Pem("key_file", issued.private_key_pem.bytes(), "key.pem")
    load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), Pem("cert_file", issued.cert_chain_pems[0].bytes(), "c"), key)
    assert issued.private_key_pem.bytes().decode().splitlines()[1] not in repr(key)


def test_a_damaged_authority_is_refused() -> None:
    damaged = trustme.CA().cert_pem.bytes().replace(b"M", b"N", 5)
    with pytest.raises(TlsError, match=r"ca\.pem cannot be loaded: .*; check that it is complete and in PEM format"):
        load_authority(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), Pem("ca_file", damaged, "ca.pem"))
