"""Servers that repeat the credentials that they were sent: nothing that is shown or stored holds them."""

from __future__ import annotations

import base64
import json
import time
import urllib.parse
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import yaml
from support.commands import run
from support.running import ADMIN_TOKEN, Exporter, command, get, wait_until, write_config
from support.serving import serving
from support.state_files import contents_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PRIVATE = ADMIN_TOKEN.partition("_")[2]
PASSWORD = "correct " + "horse " + "5ecre7"
BEARER = "bearer" + "5ecre7" + "00ff"
PLAIN = (PRIVATE, PASSWORD, BEARER)
ENCODED = tuple(
    base64.b64encode(prefix.encode() + secret.encode()).decode()[4:-4]
    for secret in PLAIN
    for prefix in ("", "-", "me:", "pt-0a1b2c3d4e5f_")
)

Answer = tuple[int, dict[str, str], object]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _a_token(name: str) -> dict[str, object]:
    soon = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + 3600))
    return {
        "tokenId": "pt-1",
        "name": name,
        "permissions": ["base_user_read"],
        "createdAt": "2026-01-01",
        "expiredAt": soon,
    }


PLATFORM: dict[str, Callable[[str], Answer]] = {
    "code": lambda token: (403, {}, {"errorCode": token, "errorMessage": token}),
    "request": lambda token: (403, {}, {"errorCode": "Forbidden", "requestId": token}),
    "header": lambda token: (403, {"X-Request-Id": token}, {"errorCode": "Forbidden"}),
    "location": lambda token: (302, {"Location": f"http://{token.replace('_', '-')}.example.com/"}, {}),
    "path": lambda token: (302, {"Location": f"http://example.com/{token}"}, {}),
    "success": lambda token: (200, {}, {"success": False, "errorCode": token}),
    "base64": lambda token: (403, {}, {"errorCode": _base64(token), "requestId": _base64(f"-{token}")}),
    "escaped": lambda token: (403, {}, {"errorCode": urllib.parse.quote(token).replace("5", "%35")}),
    "upper": lambda token: (403, {}, {"errorCode": token.upper()}),
    "name": lambda token: (200, {}, [_a_token(f"name {token}")]),
    "name-base64": lambda token: (200, {}, [_a_token(_base64(f"n {token}"))]),
}
"""What the platform answers for a user, given the token that it was sent."""


def alertmanager(authorization: str) -> Answer:
    """The answer of an Alertmanager that repeats the header."""
    return 400, {}, f"bad authorization: {authorization} {_plain(authorization)}"


def _plain(authorization: str) -> str:
    kind, _, credentials = authorization.partition(" ")
    return base64.b64decode(credentials).decode() if kind == "Basic" else credentials


@contextmanager
def a_server(answer: Callable[[BaseHTTPRequestHandler], Answer]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, content = answer(self)
            body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - as http.server calls it

    with serving(Handler) as address:
        yield address


def platform_answer(handler: BaseHTTPRequestHandler) -> Answer:
    token = handler.headers["x-yunxiao-token"]
    user = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(handler.path).query)).get("userId", "code")
    return PLATFORM[user](token)


def test_what_servers_repeat_is_found_nowhere(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    (tmp_path / "bearer").write_text(f"{BEARER}\n")
    with (
        a_server(platform_answer) as platform,
        a_server(lambda handler: alertmanager(handler.headers["Authorization"])) as receiver,
    ):
        config = write_config(tmp_path, platform, sorted(PLATFORM), poll={"stale_after": "2s"})
        data = yaml.safe_load(config.read_text())
        data["storage"] = {"path": "state.db"}
        data["alerting"] = {
            "resend_interval": "1s",
            "alertmanagers": [
                {"url": receiver, "basic_auth": {"username": "me", "password_file": "password"}},
                {"url": f"{receiver}/bearer", "authorization": {"credentials_file": "bearer"}},
            ],
        }
        config.write_text(yaml.safe_dump(data))
        shown = _all_shown(config, tmp_path)
    texts = {where: content.decode("utf-8", "replace").lower() for where, content in shown.items()}
    leaks = {where: [one for one in (*PLAIN, *ENCODED) if one.lower() in text] for where, text in texts.items()}
    assert {where: found for where, found in leaks.items() if found} == {}
    # The answers did arrive.
    assert "http 403" in texts["log"]
    assert "bad authorization: basic [redacted]" in texts["log"]
    assert "bad authorization: bearer [redacted]" in texts["log"]
    assert "forbidden" in texts["tokens table, stderr"]
    assert "http 403" in texts["state file"]
    assert "pt-1" in texts["tokens json"]


def _all_shown(config: Path, folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with Exporter(config) as exporter:
        exporter.ready()
        wait_until(lambda: exporter.output.count("alert refused") >= 2)
        paths = {"page": "/", "metrics": "/metrics", "tokens": "/api/v1/tokens", "events": "/api/v1/events"}
        for name, path in paths.items():
            found[name] = get(exporter.url + path).content
        exporter.process.terminate()
        assert exporter.ended() == 0
        found["log"] = exporter.output.encode()
    found["state file"] = contents_of(folder / "state.db")
    for form in ("table", "json"):
        result = command("tokens", "--config.file", str(config), "-o", form, "--log.level", "debug")
        found[f"tokens {form}"] = result.stdout.encode()
        found[f"tokens {form}, stderr"] = result.stderr.encode()
    for form in ("csv", "ics", "prometheus"):
        found[f"tokens {form}"] = run("tokens", "-c", str(config), "-o", form).stdout.encode()
    for name in ("tokens", "report"):
        book = folder / f"{name}.xlsx"
        found[f"{name} xlsx, stderr"] = run(name, "-c", str(config), "--output-file", str(book)).stderr.encode()
        with zipfile.ZipFile(book) as content:
            found[f"{name} xlsx"] = b"".join(content.read(part) for part in content.namelist())
    found["tokens from the state file"] = run("tokens", "--from", str(folder / "state.db"), "--wide").stdout.encode()
    for form in ("html", "json"):
        file = folder / f"report.{form}"
        result = command("report", "--config.file", str(config), "-o", form, "--output-file", str(file))
        found[f"report {form}"] = file.read_bytes()
        found[f"report {form}, stderr"] = result.stderr.encode()
    result = command("check-config", "--config.file", str(config), "--probe")
    found["probe"] = (result.stdout + result.stderr).encode()
    return found


def test_the_search_would_find_a_secret() -> None:
    text = f"{_base64(f'me:{PASSWORD}')} {_base64(ADMIN_TOKEN)} {_base64(f'-{ADMIN_TOKEN}')} {_base64(BEARER)}"
    assert all(any(one in text for one in ENCODED[start : start + 4]) for start in (0, 4, 8))
