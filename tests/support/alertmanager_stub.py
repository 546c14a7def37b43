"""An Alertmanager on loopback that keeps what it is sent and behaves as a test wants."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

from support.serving import LoopbackServer


def slowly(seconds: float) -> int:
    time.sleep(seconds)
    return 200


class Alertmanager:
    """Takes alerts and keeps them; `behave` gives the status for a batch and may take its time.

    `answer` gives the body for the headers of a request; `ahead` is how many seconds its clock is ahead.
    """

    def __init__(self, port: int = 0) -> None:
        self.posts: list[tuple[float, list[dict[str, Any]]]] = []
        self.headers: list[dict[str, str]] = []
        self.behave: Any = lambda _: 200
        self.answer: Any = lambda _: ""
        self.ahead = 0.0
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                batch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert self.path == "/api/v2/alerts"
                status = stub.behave(batch)
                if status == 200:
                    stub.posts.append((time.time(), batch))
                stub.headers.append(dict(self.headers))
                body = b"" if status == 204 else stub.answer(self.headers).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):  # the client has given up
                    self.wfile.write(body)

            def date_time_string(self, timestamp: float | None = None) -> str:
                return formatdate((timestamp or time.time()) + stub.ahead, usegmt=True)

        self.server = LoopbackServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def alerts(self, name: str = "") -> list[dict[str, Any]]:
        every = [alert for _, batch in list(self.posts) for alert in batch]
        return [alert for alert in every if name in alert["labels"]["alertname"]]


def now_text() -> str:
    return text_of(time.time())


def text_of(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}Z"
