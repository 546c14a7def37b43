"""Whatever stands where a configuration and the files it names should be: settings or a `ConfigError`, at once."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import bcrypt
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exporter.common.redaction import REDACTED, Redactor
from exporter.config.errors import ConfigError
from exporter.config.load import load
from exporter.web.security import WebSecurity

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD = """organizations:
  - name: acme
    endpoint: https://acme.example.com
    token_file: token
    tls: {ca_file: ca.pem, cert_file: cert.pem, key_file: key.pem}
    users: {files: [users.yaml]}
alerting:
  alertmanagers:
    - {url: "http://am:9093", basic_auth: {username: me, password_file: password}, tls: {ca_file: ca.pem}}
    - {url: "http://am:9094", authorization: {credentials_file: bearer}}
redis: {url: "rediss://r:6379/0", password_file: password, tls: {ca_file: ca.pem}}
"""
WEB = "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem, client_auth_type: %s}\n"
FILES = ("token", "password", "bearer", "ca.pem", "cert.pem", "key.pem", "users.yaml", "config.yaml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return valid(tmp_path)


def valid(folder: Path) -> Path:
    import trustme  # noqa: PLC0415 - takes a while, and only these tests need it

    authority = trustme.CA()
    server = authority.issue_cert("localhost")
    server.private_key_pem.write_to_path(str(folder / "key.pem"))
    server.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    (folder / "token").write_text("pt-0a1b2c_5ecre7f00d\n")
    (folder / "password").write_text("correct horse\n")
    (folder / "bearer").write_text("bearer5ecre7\n")
    (folder / "users.yaml").write_text('- {id: "1"}\n')
    (folder / "config.yaml").write_text(GOOD)
    (folder / "web.yaml").write_text(WEB % "RequireAndVerifyClientCert")
    return folder


def refused(read: Callable[[], object]) -> str:
    """The sentence of the refusal, which has to come within a second, other work on the machine not counted."""
    start, worked = time.monotonic(), time.thread_time()
    with pytest.raises(ConfigError) as caught:
        read()
    assert time.thread_time() - worked < 1
    assert time.monotonic() - start < 5
    return str(caught.value)


def in_place_of(file: Path, kind: str) -> None:
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    elif kind == "device":
        file.symlink_to("/dev/zero")
    elif kind == "huge":
        with file.open("wb") as stream:
            stream.truncate(1 << 40)
    else:
        file.write_bytes(bytes(range(256)) * 16)


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "huge", "binary"])
@pytest.mark.parametrize("name", FILES)
def test_files_that_are_not_regular_are_refused_immediately_and_a_reload_works_afterwards(
    folder: Path, name: str, kind: str
) -> None:
    config = folder / "config.yaml"
    good = (folder / name).read_bytes()
    load(config, {})
    in_place_of(folder / name, kind)
    sentence = refused(lambda: load(config, {}))
    assert name in sentence
    if kind in {"pipe", "folder", "device"}:
        assert "is not a regular file; name a file, not a folder, pipe, socket or device" in sentence
    if kind == "huge":
        assert "is larger than" in sentence
    (folder / name).rmdir() if kind == "folder" else (folder / name).unlink()
    (folder / name).write_bytes(good)
    load(config, {})


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "huge", "binary"])
@pytest.mark.parametrize("name", ["web.yaml", "cert.pem", "key.pem", "ca.pem"])
def test_web_configuration_files_that_are_not_regular_are_refused_immediately(
    folder: Path, name: str, kind: str
) -> None:
    WebSecurity.load(folder / "web.yaml")
    in_place_of(folder / name, kind)
    sentence = refused(lambda: WebSecurity.load(folder / "web.yaml"))
    if kind in {"pipe", "folder", "device"}:
        assert f"{name} is not a regular file" in sentence or f"{name}: is not a regular file" in sentence
    if kind == "huge":
        assert "is larger than" in sentence


def test_an_encrypted_key_is_refused_without_a_prompt(folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - comes with trustme

    key = serialization.load_pem_private_key((folder / "key.pem").read_bytes(), None)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
    )
    sentence = refused(lambda: WebSecurity.load(folder / "web.yaml"))
    assert "key.pem is encrypted; remove its passphrase" in sentence


@pytest.mark.parametrize("name", ["TLS_RSA_WITH_AES_128_CBC_SHA", "", "a\0b", "é"])
def test_ciphers_that_openssl_does_not_know_are_named(folder: Path, name: str) -> None:
    data = yaml.safe_load((folder / "web.yaml").read_text())
    data["tls_server_config"]["cipher_suites"] = ["ECDHE-RSA-AES128-GCM-SHA256", name]
    (folder / "web.yaml").write_text(yaml.safe_dump(data))
    sentence = refused(lambda: WebSecurity.load(folder / "web.yaml"))
    shown = name.replace("\0", "\ufffd")
    assert f"tls_server_config.cipher_suites[1]: the cipher {shown} is not known; use a name of Go" in sentence


def test_ciphers_of_openssl_are_accepted(folder: Path) -> None:
    data = yaml.safe_load((folder / "web.yaml").read_text())
    data["tls_server_config"]["cipher_suites"] = ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"]
    (folder / "web.yaml").write_text(yaml.safe_dump(data))
    tls = WebSecurity.load(folder / "web.yaml").tls
    assert tls is not None
    names = {cipher["name"] for cipher in tls.get_ciphers()}
    assert {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"} <= names
    assert "ECDHE-RSA-AES256-GCM-SHA384" not in names


def test_a_hash_that_would_take_days_is_refused_immediately(folder: Path) -> None:
    cheap = bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()
    (folder / "web.yaml").write_text(f"basic_auth_users: {{prom: {cheap}}}\n")
    WebSecurity.load(folder / "web.yaml")
    (folder / "web.yaml").write_text(f"basic_auth_users: {{prom: {cheap.replace('$04$', '$31$')}}}\n")
    assert "basic_auth_users.prom: is a bcrypt hash of cost 31" in refused(
        lambda: WebSecurity.load(folder / "web.yaml")
    )


def test_every_secret_that_is_read_is_redacted(folder: Path) -> None:
    (folder / "next").write_text("pt-next_5ecre7next")
    text = GOOD.replace("token_file: token", "token_files: [token, next]\n    proxy_url: http://u:pr0xy%20pw@proxy:1")
    text += """  # http://commented:0ut5ecre7@host
"""
    text = text.replace(
        "alerting:",
        "  - {name: b, endpoint: https://b.example.com, token_env: T, users: {static: [{id: '1'}]}}\nalerting:",
    )
    (folder / "config.yaml").write_text(text)
    redactor = Redactor()
    environ = {"T": "pt-env_5ecre7env", "HTTPS_PROXY": "http://u:env5ecre7@proxy:1"}
    settings = load(folder / "config.yaml", environ, redactor)
    assert settings.redactor is redactor
    secrets = ("pt-0a1b2c_5ecre7f00d", "pt-next_5ecre7next", "pt-env_5ecre7env", "correct horse", "bearer5ecre7")
    for secret in (*secrets, "pr0xy%20pw", "pr0xy pw", "env5ecre7", "0ut5ecre7", "me:correct horse", "u:pr0xy pw"):
        assert redactor.clean(f"<{secret}>") == f"<{REDACTED}>"
    # Read again when they change, each by its own source.
    (folder / "token").write_text("pt-new_5ecre7new")
    (folder / "password").write_text("another 5ecre7")
    settings.organizations[0].token.current()
    source = settings.alertmanagers[0].secret
    assert source is not None
    assert source.current().reveal() == "another 5ecre7"
    assert redactor.clean("5ecre7new me:another 5ecre7 5ecre7f00d") == " ".join([REDACTED] * 3)


@pytest.mark.parametrize(
    "text",
    [
        "organizations:\n  - http://u:hunter2hunter2@h: 1\n",
        "organizations:\n  - pt-0123_0123456789abcdef0123: 1\n",
        "organizations:\n  - {proxy_url: http://u:hunter2hunter2@h, proxy_url: http://u:hunter2hunter2@h}\n",
        GOOD.replace("name: acme", "name: pt-0123_0123456789abcdef0123"),
        GOOD.replace("username: me", "username: pt-0123_0123456789abcdef0123"),
        GOOD.replace("alerting:", "alerting:\n  labels: {team: pt-0123_0123456789abcdef0123}"),
    ],
)
def test_a_secret_in_the_configuration_does_not_appear_in_the_error(folder: Path, text: str) -> None:
    (folder / "config.yaml").write_text(text)
    sentence = refused(lambda: load(folder / "config.yaml", {}))
    assert "hunter2" not in sentence
    assert "0123456789abcdef" not in sentence


def test_a_user_file_without_access_is_a_fault(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "config.yaml").write_text(GOOD.replace("users.yaml", "use*.yaml"))

    def denied(_: Path, **__: object) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    # As in a folder that may be listed but not entered; root may enter any.
    monkeypatch.setattr(Path, "is_file", denied)
    load(folder / "config.yaml", {})
    (folder / "users.yaml").unlink()
    (folder / "users.yaml").symlink_to("nowhere")
    sentence = refused(lambda: load(folder / "config.yaml", {}))
    assert sentence.endswith("users.yaml: cannot be read: No such file or directory; check the path")


WORDS = st.one_of(
    st.binary(max_size=30),
    st.sampled_from([line.encode() for line in GOOD.splitlines(keepends=True)]),
    st.sampled_from(
        [
            *(
                b"!!timestamp x",
                b"!!python/name:os.system x",
                b"!!binary =",
                b"&a ",
                b"*a",
                b"<<: *a",
                b"[",
                b"{",
                b"}",
            ),
            *(b"\n", b": ", b"- ", b'"\\ud800"', b"\xed\xa0\x80", b".nan", b".inf", b"9" * 4400, b"0x" + b"f" * 99),
            *(b"on", b"~", b"2026-13-45", b"1:99", b"\xff\xfe", b"\xef\xbb\xbf", b"\x00", b"? ", b"%TAG", b"---\n"),
            *(
                b"limits: {requests_per_second: .nan}",
                b"poll: {interval: 99999999999999999999d}",
                b"policies: {max_age: ",
            ),
        ]
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=1000, max_examples=150)
@given(st.lists(WORDS, max_size=25).map(b"".join), st.sampled_from(["config.yaml", "users.yaml", "web.yaml", "token"]))
@example(GOOD.replace("tls:", "limits: {requests_per_second: .nan}\n    tls:").encode(), "config.yaml")
@example(GOOD.replace("tls:", "limits: {requests_per_second: .inf}\n    tls:").encode(), "config.yaml")
@example(GOOD.replace("tls:", f"limits: {{concurrency: 0x{'f' * 16}}}\n    tls:").encode(), "config.yaml")
@example(f"poll: {{interval: {'9' * 5000}s}}\n{GOOD}".encode(), "config.yaml")
@example(f"poll: {{interval: {'9' * 40}s, stale_after: {'9' * 41}s}}\n{GOOD}".encode(), "config.yaml")
@example(GOOD.replace("users.yaml", "[a-").encode(), "config.yaml")
@example(GOOD.replace("users.yaml", "'**/[!]*?'").encode(), "config.yaml")
def test_any_bytes_give_settings_or_a_config_error(hostile: Path, content: bytes, name: str) -> None:
    file = hostile / name
    good = file.read_bytes()
    file.write_bytes(content)
    try:
        if name == "web.yaml":
            WebSecurity.load(file)
        else:
            load(hostile / "config.yaml", {})
    except ConfigError as error:
        lines = str(error).splitlines()
        assert lines
        assert all(line.isprintable() or "\u3000" in line for line in lines)
    finally:
        file.write_bytes(good)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return valid(tmp_path_factory.mktemp("hostile"))
