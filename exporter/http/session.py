"""Sessions whose requests have a limit on their total time and can be cancelled from another thread."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, cast

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3.exceptions import ClosedPoolError

from exporter import __version__
from exporter.common.exceptions import clear_chain
from exporter.common.live_tls import LiveTls
from exporter.http.connections import POOLS, Context
from exporter.http.deadline import Call, Watchdog

if TYPE_CHECKING:
    from urllib3 import PoolManager

    from exporter.http.connections import GuardedPool


class GuardedAdapter(HTTPAdapter):
    """A requests adapter for one address. Its connections know the current call of their thread.

    Args:
        context: what the connections share.
        connections: idle connections to keep.
        server_name: the name for SNI and in the certificate; None for the host of the address.
    """

    def __init__(self, context: Context, connections: int, server_name: str | None) -> None:
        self._context = context
        self._server_name = server_name
        self._pool: GuardedPool | None = None
        self._closed = False
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        """As in requests, but made once: this adapter serves one address."""
        if self._closed:
            # A pool made after `close` would never be closed.
            raise ClosedPoolError(self._pool, "the session is closed")  # type: ignore[arg-type]
        if self._pool is None:
            pool = cast("GuardedPool", super().get_connection_with_tls_context(request, verify, proxies, cert))
            pool.context = self._context
            self._pool = pool
        return self._pool

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        """As in requests, which parses the address several times. A prepared address always has a path."""
        address = str(request.url)
        if proxies or "#" in address:
            return super().request_url(request, proxies)
        return address[address.index("/", address.index("//") + 2) :]

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Do nothing: connections take the authorities and the client certificate from `Context.tls`."""

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """As in requests, without cookies and without guessing an encoding."""
        response = requests.Response()
        response.status_code = resp.status
        # urllib3's own, whose names ignore case too.
        response.headers = resp.headers
        response.raw = resp
        response.reason = resp.reason
        response.url = str(req.url)
        response.request = req
        response.connection = self
        return response

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:  # noqa: FBT001, FBT002 - as in requests
        """As in requests, with guarded connections."""
        super().init_poolmanager(connections, maxsize, block, **kwargs, **self._server_name_options())
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> PoolManager:
        """As in requests, with guarded connections."""
        manager: PoolManager = super().proxy_manager_for(proxy, **kwargs, **self._server_name_options())
        manager.pool_classes_by_scheme = POOLS
        return manager

    def _server_name_options(self) -> dict[str, str]:
        if self._server_name is None:
            return {}
        return {"server_hostname": self._server_name}

    def refuse(self) -> None:
        """Open no more connections."""
        self._closed = True

    def close_idle(self) -> bool:
        """Close the connections that were idle for too long; True if others are still idle."""
        return self._pool is not None and self._pool.close_idle()

    def close(self) -> None:
        """Close the connections; those in use at the end of their requests."""
        self.refuse()
        if self._pool is not None:
            # requests only drops its pools, whose sockets stay open until the garbage collector runs.
            self._pool.close()
        super().close()


class LimitedCall:
    """The context of one request. A class, which costs less than a generator: there is one for each request.

    Args:
        watchdog: ends the call at its deadline.
        context: shows the call to the connections.
        limit: seconds.
        owner: the session.
    """

    __slots__ = ("_call", "_context", "_limit", "_owner", "_watchdog")
    _call: Call

    def __init__(self, watchdog: Watchdog, context: Context, limit: float, owner: GuardedSession) -> None:
        self._watchdog = watchdog
        self._context = context
        self._limit = limit
        self._owner = owner

    def __enter__(self) -> Call:
        self._call = self._context.call = self._watchdog.begin(self._limit, self._owner)
        return self._call

    def __exit__(self, *_: object) -> None:
        del self._context.call
        self._watchdog.end(self._call)


class GuardedSession(requests.Session):
    """A session whose requests have a limit on their total time, and that ignores the environment.

    It uses no `.netrc`, `REQUESTS_CA_BUNDLE`, proxy variables or cookies, and ignores redirects: requests would read
    the body of a redirect and parse its `Location` even with ``allow_redirects=False``.

    Args:
        watchdog: ends calls at their deadlines.
        concurrency: limit for the requests in flight, and so the idle connections to keep.
        tls: certificate authorities and client certificate; None for the public authorities and no certificate.
        server_name: the name for SNI and in the certificate; None for the host of the address.
    """

    def __init__(
        self,
        watchdog: Watchdog,
        concurrency: int,
        *,
        tls: LiveTls | None = None,
        server_name: str | None = None,
    ) -> None:
        super().__init__()
        self._watchdog = watchdog
        tls = tls or LiveTls()
        self._context = Context(watchdog.clock, tls)
        self.trust_env = False
        self.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        self.headers["User-Agent"] = f"yunxiao-token-exporter/{__version__}"
        self.verify = self._verify = tls.verify
        self._adapter = GuardedAdapter(self._context, concurrency, server_name)
        self.mount("http://", self._adapter)
        self.mount("https://", self._adapter)

    def call(self, limit: float) -> LimitedCall:
        """A context that limits the time of the one request that this thread makes inside it, in seconds."""
        return LimitedCall(self._watchdog, self._context, limit, self)

    def send_as_is(self, request: requests.PreparedRequest, timeout: float) -> requests.Response:
        """Send a prepared request with the adapter alone; the body of the answer is still to be read.

        This skips the session's handling of redirects, cookies and the environment, which is not wanted here and costs
        as much as the request.

        A GET that fails on a connection that was used before is sent again on a fresh one, within the same time limit:
        the server may have closed the connection, or a NAT may have dropped it.
        """
        call = self._context.call
        call.resendable = request.method == "GET"
        try:
            return self._send(request, timeout)
        except (requests.ConnectionError, requests.Timeout) as error:
            if call.idle is None or not call.resendable or call.remaining() <= 0:
                raise
            unanswered = isinstance(error, requests.Timeout)
            clear_chain(error)
        return self._send_again(request, call, unanswered=unanswered)

    def _send(self, request: requests.PreparedRequest, timeout: float) -> requests.Response:
        return self._adapter.send(
            request, stream=True, timeout=timeout, verify=self._verify, cert=self.cert, proxies=self.proxies
        )

    def _send_again(self, request: requests.PreparedRequest, call: Call, *, unanswered: bool) -> requests.Response:
        idle = call.idle or 0.0
        call.resent = True
        try:
            response = self._send(request, call.remaining())
        except requests.RequestException as error:
            if unanswered and (call.remaining() <= 0 or isinstance(error, requests.Timeout)):
                self._context.reuse.record_slow()
            raise
        if unanswered:
            self._context.reuse.record_dropped(idle)
        return response

    def close_idle(self) -> bool:
        """Close the connections that were idle for too long; True if others are still idle."""
        return self._adapter.close_idle()

    def close(self) -> None:
        """Cancel the requests in flight and close the connections; nothing can be sent afterwards."""
        self._adapter.refuse()
        self._watchdog.end_calls_of(self)
        super().close()

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - as in requests
        """None: redirects are refused."""
        return


__all__ = ["Call", "GuardedAdapter", "GuardedSession", "Watchdog"]
