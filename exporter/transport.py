"""Requests with a limit on their total time, which can be called off from another thread.

requests limits the time to connect and the time between two bytes, not the whole: a server that sends one byte a second
holds a request for ever. Here a watchdog shuts the socket of a call down when its time is over, whatever the call is
doing then: handshake, proxy tunnel, headers or body.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError

from exporter import __version__
from exporter.http.large_answers import LargeAnswers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from urllib3 import PoolManager

    from exporter.clock import Clock


class Call:
    """One request under way: until when it may take, and the socket to shut down if it takes longer."""

    def __init__(self, clock: Clock, limit: float, owner: object) -> None:
        self.owner = owner
        self.deadline = clock.monotonic() + limit
        self.over = False
        self._clock = clock
        # Guards _socket and over: the watchdog ends calls from its own thread.
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def remaining(self) -> float:
        """Seconds left; 0 once the call has been ended."""
        return 0.0 if self.over else max(0.0, self.deadline - self._clock.monotonic())

    def attach(self, switch: socket.socket) -> None:
        """Name the socket that the call uses now."""
        with self._lock:
            self._socket = switch
            if self.over:
                _shut_down(switch)

    def detach(self) -> None:
        """The call has ended by itself: its socket may serve another one from now on."""
        with self._lock:
            self._socket = None

    def end(self) -> None:
        """End the call now; whatever waits on its socket wakes up with an error or an early end."""
        with self._lock:
            self.over = True
            if self._socket is not None:
                _shut_down(self._socket)


def _shut_down(switch: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the peer may have been faster
        switch.shutdown(socket.SHUT_RDWR)


class Watchdog:
    """Ends the calls whose time is over. One thread for all clients, started and stopped by whoever owns it.

    Attributes:
        large_answers: what else all clients share: the memory for large answers.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.large_answers = LargeAnswers()
        # Guards _calls, _wakes_at and _stopping, and wakes the thread when the next deadline comes sooner.
        self._changed = threading.Condition()
        self._calls: set[Call] = set()
        self._wakes_at = float("inf")
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End all calls and the thread."""
        with self._changed:
            self._stopping = True
            for call in self._calls:
                call.end()
            self._changed.notify()
        self._thread.join()

    @contextlib.contextmanager
    def call(self, limit: float, owner: object) -> Iterator[Call]:
        """A call that may take so many seconds."""
        call = Call(self._clock, limit, owner)
        with self._changed:
            self._calls.add(call)
            if self._stopping:
                call.end()
            elif call.deadline < self._wakes_at:
                self._changed.notify()
        try:
            yield call
        finally:
            call.detach()
            with self._changed:
                self._calls.discard(call)

    def end_calls_of(self, owner: object) -> None:
        """End the calls that one owner has under way."""
        with self._changed:
            for call in self._calls:
                if call.owner is owner:
                    call.end()

    def _run(self) -> None:
        with self._changed:
            while not self._stopping:
                now = self._clock.monotonic()
                self._wakes_at = float("inf")
                for call in self._calls:
                    if call.deadline <= now:
                        call.end()
                    else:
                        self._wakes_at = min(self._wakes_at, call.deadline)
                self._changed.wait(None if self._wakes_at == float("inf") else self._wakes_at - now)


class GuardedAdapter(HTTPAdapter):
    """A requests adapter whose connections tell the current call of their thread which socket they use.

    Args:
        current_call: gives the calling thread's call.
        concurrency: connections to keep, and requests that may be under way at once.
        server_name: name to send as SNI and to expect in the certificate; None for the host of the address.
    """

    def __init__(self, current_call: Callable[[], Call], concurrency: int, server_name: str | None) -> None:
        self._pool_classes = _guarded_pools(current_call)
        self._server_name = server_name
        self._pool: Any = None
        self._verified = False
        super().__init__(pool_connections=1, pool_maxsize=concurrency, max_retries=0, pool_block=True)

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        """As in requests, but found once: an adapter here serves one address in one way."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
        return self._pool

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """As in requests, once: it looks for the file of authorities at each call."""
        if not self._verified:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
            self._verified = True

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """As in requests, without cookies and without guessing at an encoding."""
        response = requests.Response()
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw = resp
        response.reason = resp.reason
        response.url = str(req.url)
        response.request = req
        response.connection = self
        return response

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:  # noqa: FBT001, FBT002 - as in requests
        """As in requests, with guarded connections."""
        super().init_poolmanager(connections, maxsize, block, **kwargs, **self._server_name_options())
        self.poolmanager.pool_classes_by_scheme = self._pool_classes

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> PoolManager:
        """As in requests, with guarded connections."""
        manager: PoolManager = super().proxy_manager_for(proxy, **kwargs, **self._server_name_options())
        manager.pool_classes_by_scheme = self._pool_classes
        return manager

    def _server_name_options(self) -> dict[str, str]:
        if self._server_name is None:
            return {}
        return {"server_hostname": self._server_name, "assert_hostname": self._server_name}


class GuardedSession(requests.Session):
    """A session whose requests are limited in their total time, and that does what it is told and nothing else.

    No `.netrc`, `REQUESTS_CA_BUNDLE` or proxy of the environment, no cookies, and no look at where a redirect leads:
    requests would read that answer's whole body and parse its `Location` even with ``allow_redirects=False``.

    Args:
        watchdog: ends what takes too long.
        concurrency: connections to keep, and requests that may be under way at once.
        ca_file: authorities to trust instead of the public ones.
        server_name: name to send as SNI and to expect in the certificate; None for the host of the address.
        insecure_skip_verify: do not check the certificate.
    """

    def __init__(
        self,
        watchdog: Watchdog,
        concurrency: int,
        *,
        ca_file: Path | None = None,
        server_name: str | None = None,
        insecure_skip_verify: bool = False,
    ) -> None:
        super().__init__()
        self._watchdog = watchdog
        self._thread = threading.local()
        self.trust_env = False
        self.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        self.headers["User-Agent"] = f"yunxiao-token-exporter/{__version__}"
        self._verify: bool | str = not insecure_skip_verify
        if self._verify and ca_file is not None:
            self._verify = str(ca_file)
        self.verify = self._verify
        self._adapter = GuardedAdapter(self._current_call, concurrency, server_name)
        self.mount("http://", self._adapter)
        self.mount("https://", self._adapter)

    @contextlib.contextmanager
    def call(self, limit: float) -> Iterator[Call]:
        """The one request that the calling thread makes in here may take so many seconds."""
        with self._watchdog.call(limit, self) as call:
            self._thread.call = call
            yield call

    def send_as_is(self, request: requests.PreparedRequest, timeout: float) -> requests.Response:
        """Send a prepared request by the adapter alone, and leave the answer's body to be read.

        What a session does around that, with redirects, cookies and settings of the environment, is not wanted here and
        costs as much as the request.
        """
        return self._adapter.send(request, stream=True, timeout=timeout, verify=self._verify, proxies=self.proxies)

    def _current_call(self) -> Call:
        call: Call = self._thread.call
        return call

    def close(self) -> None:
        """End the requests under way and close the connections."""
        self._watchdog.end_calls_of(self)
        super().close()

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - as in requests
        """None: redirects are refused."""
        return


def _addresses(connection: HTTPConnection, host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, connection.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        failure = error if isinstance(error, socket.gaierror) else socket.gaierror(socket.EAI_NONAME, "no such name")
        raise NameResolutionError(host, connection, failure) from error
    return [str(place[0]) for _, _, _, _, place in found]


def _guarded_pools(current_call: Callable[[], Call]) -> dict[str, type[HTTPConnectionPool]]:
    class Guarded(HTTPConnection):
        """Keeps a second handle to its socket: shutting that down works even in the middle of a TLS handshake."""

        _switch: socket.socket | None = None

        def _new_conn(self) -> socket.socket:
            call = current_call()
            host, limit = self._dns_host, self.timeout
            addresses = _addresses(self, host)
            try:
                # One address after the other, all within the call's time; urllib3 would give each the whole.
                for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
                    if (remaining := call.remaining()) <= 0:
                        break
                    self._dns_host, self.timeout = address, remaining / left
                    try:
                        opened = super()._new_conn()
                    except HTTPError:
                        if left == 1:
                            raise
                        continue
                    self._switch = opened.dup()
                    call.attach(self._switch)
                    return opened
            finally:
                self._dns_host, self.timeout = host, limit
            raise ConnectTimeoutError(self, "out of time")

        def request(self, *args: Any, **kwargs: Any) -> None:
            if self._switch is not None:
                current_call().attach(self._switch)
            super().request(*args, **kwargs)

        def close(self) -> None:
            super().close()
            if self._switch is not None:
                self._switch.close()
                self._switch = None

    class GuardedTls(Guarded, HTTPSConnection):
        pass

    class Pool(HTTPConnectionPool):
        ConnectionCls = Guarded

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = GuardedTls

    return {"http": Pool, "https": TlsPool}
