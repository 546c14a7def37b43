"""The simulated platform's answers on the wire, as a client reads them: one test for each oddity."""

from __future__ import annotations

import json
import socket
import sys
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

import pytest
import requests
from support.running import ADMIN_TOKEN, Running, a_record, a_simulator, command, wait_until

from exporter.platform.yunxiao.simulator.directory import CALLER_ID
from exporter.platform.yunxiao.simulator.envelopes import ENVELOPES, MESSAGE
from exporter.platform.yunxiao.simulator.faults import Fault, Quirks
from exporter.platform.yunxiao.simulator.quirks import usage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.platform.yunxiao.simulator.server import Simulator

MODULE = [sys.executable, "-u", "-m", "exporter.platform.yunxiao.simulator"]
TOKENS = "/oapi/v1/platform/users/admin/personalAccessTokens?userId="


@pytest.fixture
def platform() -> Iterator[Simulator]:
    with a_simulator({"张三": [a_record("pt-1", name="流水线")], "u2": []}, size=1) as simulator:
        yield simulator


def get(platform: Simulator, path: str, token: str = ADMIN_TOKEN) -> requests.Response:
    headers = {"x-yunxiao-token": token}
    return requests.get(platform.url + path, headers=headers, timeout=5, allow_redirects=False)


def raw(platform: Simulator, path: str) -> bytes:
    """All bytes of the answer."""
    host, port = platform.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 5) as connection:
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", f"x-yunxiao-token: {ADMIN_TOKEN}", "Connection: close"]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_token_list_without_quirks(platform: Simulator) -> None:
    answer = get(platform, TOKENS + "张三")
    assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
    (entry,) = answer.json()
    assert (entry["token_id"], entry["name"], entry["user_id"]) == ("pt-1", "流水线", "张三")


@pytest.mark.parametrize(
    ("quirks", "content_type"),
    [
        (Quirks(gbk=True), "application/json;charset=GBK"),
        (Quirks(gbk_unlabelled=True), "application/json"),
    ],
)
def test_lists_and_errors_in_gbk(platform: Simulator, quirks: Quirks, content_type: str) -> None:
    platform.faults.quirks = quirks
    answers = [
        get(platform, TOKENS + "张三"),
        get(platform, TOKENS + "nobody"),
        get(platform, "/oapi/v1/platform/users"),
    ]
    assert {one.headers["Content-Type"] for one in answers} == {content_type}
    tokens, error, users = (json.loads(one.content.decode("gbk")) for one in answers)
    assert (tokens[0]["name"], error["errorMessage"], users[1]["name"]) == ("流水线", MESSAGE, "张三")
    with pytest.raises(UnicodeDecodeError):
        answers[0].content.decode()


def test_early_hints_come_before_each_answer(platform: Simulator) -> None:
    platform.faults.quirks = Quirks(early_hints=True)
    first, second, *_ = raw(platform, TOKENS + "u2").split(b"\r\n\r\n")
    assert (first.split(b"\r\n")[0], second.split(b"\r\n")[0]) == (b"HTTP/1.1 103 Early Hints", b"HTTP/1.1 200 OK")


def test_an_answer_can_have_more_headers_than_clients_take(platform: Simulator) -> None:
    platform.faults.quirks = Quirks(many_headers=150)
    head, _, body = raw(platform, TOKENS + "u2").partition(b"\r\n\r\n")
    assert (len(head.split(b"\r\n")), body) == (1 + 2 + 150, b"[]")
    with pytest.raises((requests.ConnectionError, HTTPException)):
        get(platform, TOKENS + "u2")


@pytest.mark.parametrize("name", ENVELOPES)
def test_an_error_can_come_in_any_envelope_with_status_200(platform: Simulator, name: str) -> None:
    platform.faults.for_user("u2", Fault.parse(f"envelope:{name}"))
    answer = get(platform, TOKENS + "u2")
    assert (answer.status_code, answer.json()) == (200, ENVELOPES[name])


def test_an_envelope_and_a_status_can_have_another_status_and_code(platform: Simulator) -> None:
    platform.faults.for_user("u2", Fault.parse("envelope:spring:401"))
    assert get(platform, TOKENS + "u2").status_code == 401
    platform.faults.for_user("u2", Fault.parse("400:UnsupportedCurrentTokenType"))
    answer = get(platform, TOKENS + "u2")
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "UnsupportedCurrentTokenType")
    platform.faults.for_user("u2", Fault.parse("403:Forbidden:Current token has no permission to api."))
    assert get(platform, TOKENS + "u2").json()["errorMessage"] == "Current token has no permission to api."


def test_the_tokens_of_the_caller_are_returned_for_everybody(platform: Simulator) -> None:
    platform.faults.quirks = Quirks(ignored_user_id=True)
    (entry,) = get(platform, TOKENS + "张三").json()
    assert (entry["token_id"], entry["user_id"]) == (ADMIN_TOKEN.partition("_")[0], CALLER_ID)


def test_the_tokens_of_the_first_user_are_returned_for_everybody(platform: Simulator) -> None:
    first = platform.enterprise.users()[0].user_id
    platform.enterprise.set_tokens(first, [a_record("pt-first")])
    platform.faults.quirks = Quirks(wrong_owner=True)
    (entry,) = get(platform, TOKENS + "张三").json()
    assert (entry["token_id"], entry["user_id"]) == ("pt-first", first)


def test_an_unknown_user_can_be_answered_by_an_error_or_an_empty_list(platform: Simulator) -> None:
    for answer, expected in (("404", (404, "NotFound")), ("400", (400, "BadRequest"))):
        platform.faults.quirks = Quirks(unknown_user=answer)
        refused = get(platform, TOKENS + "nobody")
        assert (refused.status_code, refused.json()["errorCode"]) == expected
    platform.faults.quirks = Quirks(unknown_user="empty")
    assert get(platform, TOKENS + "nobody").json() == []


def test_the_token_is_refused_after_a_number_of_requests(platform: Simulator) -> None:
    platform.faults.quirks = Quirks(revoke=3)
    assert [get(platform, TOKENS + "u2").status_code for _ in range(5)] == [200, 200, 200, 401, 401]


def test_a_refused_token_can_be_redirected_to_a_login_page(platform: Simulator) -> None:
    platform.faults.quirks = Quirks(login_redirect=True)
    answer = get(platform, TOKENS + "u2", "pt-wrong_token")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/users/sign_in")
    assert "Please sign in" in get(platform, answer.headers["Location"]).text
    platform.faults.for_user("u2", Fault.parse("redirect"))
    assert get(platform, TOKENS + "u2").headers["Location"] == "/users/sign_in"


def test_unknown_paths_can_be_answered_by_a_page(platform: Simulator) -> None:
    for path in ("/oapi/v1/platform/secrets", "/elsewhere"):
        platform.faults.quirks = Quirks()
        assert get(platform, path).status_code == 404
        platform.faults.quirks = Quirks(html_for_unknown=True)
        answer = get(platform, path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html;charset=UTF-8")


@pytest.mark.parametrize(
    ("ssh_keys", "status", "code"),
    [
        ("on", 200, None),
        ("403", 403, "Forbidden"),
        ("404", 404, "NotFound"),
        ("unsupported", 400, "UnsupportedInCurrentEnv"),
    ],
)
def test_the_call_for_ssh_keys(platform: Simulator, ssh_keys: str, status: int, code: str | None) -> None:
    platform.faults.quirks = Quirks(ssh_keys=ssh_keys)
    answer = get(platform, "/oapi/v1/codeup/organizations/org-1/users/u2/keys?page=1&perPage=20")
    body: Any = answer.json()
    assert (answer.status_code, body if code is None else body["errorCode"]) == (status, code or [])


def test_tokens_in_the_envelope_of_the_older_api(platform: Simulator) -> None:
    platform.faults.quirks = Quirks(envelope="result")
    assert get(platform, TOKENS + "u2").json() == {"result": [], "success": True}


def test_a_header_that_is_not_ascii_is_no_token(platform: Simulator) -> None:
    assert get(platform, TOKENS + "u2", "pt-ü").status_code == 401


def test_the_command_serves_with_faults_and_quirks_and_writes_a_configuration(tmp_path: Path) -> None:
    options = [
        "--users",
        "3",
        "--latency",
        "0",
        "--lively",
        "--write-config",
        str(tmp_path),
        "--quirk",
        "dates=no_zone",
    ]
    faults = ["--fail-user=1=404", "--fail-user=/platform/user=500", "--fail-rate=0=reset"]
    with Running([*MODULE, *options, *faults]) as process:
        wait_until(lambda: "Simulated platform with 3 users" in process.output)
        result = command("tokens", "--config.file", str(tmp_path / "config.yaml"), "--output", "json")
    assert result.returncode == 3, result.stderr
    assert "not_found" in result.stderr
    assert json.loads(result.stdout)
    assert "discover: {source: users" in (tmp_path / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--quirk", "strange"], "unknown quirk 'strange'"),
        (["--fail-user", "x=500"], "'x' is not a user number"),
        (["--fail-user", "99=500"], "out of range"),
        (["--fail-rate", "0.5=burn"], "unknown fault 'burn'"),
    ],
)
def test_the_command_refuses_what_it_cannot_read(arguments: list[str], words: str) -> None:
    with Running([*MODULE, *arguments], env={"COLUMNS": "200"}) as process:
        assert process.ended() == 2
        assert words in process.output


def test_the_help_lists_faults_envelopes_and_quirks() -> None:
    with Running([*MODULE, "--help"], env={"COLUMNS": "2000"}) as process:
        assert process.ended() == 0
        text = " ".join(process.output.split())
    for name in [*usage(), *ENVELOPES, "envelope:NAME"]:
        assert name in text
