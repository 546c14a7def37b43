"""Sessions whose requests are limited in their total time and can be called off from another thread."""

from __future__ import annotations

import contextlib
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, cast

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import ClosedPoolError

from exporter import __version__
from exporter.common.exceptions import clear_chain
from exporter.http.connections import POOLS, Context
from exporter.http.deadline import Call, Watchdog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from urllib3 import PoolManager

    from exporter.http.connections import GuardedPool


class GuardedAdapter(HTTPAdapter):
    """A requests adapter for one address, whose connections know the current call of their thread.

    Args:
        context: what the connections need to know.
        connections: idle connections to keep.
        server_name: name to send as SNI and to expect in the certificate; None for the host of the address.
    """

    def __init__(self, context: Context, connections: int, server_name: str | None) -> None:
        self._context = context
        self._server_name = server_name
        self._pool: GuardedPool | None = None
        self._verified = False
        self._closed = False
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        """As in requests, but found once: an adapter here serves one address in one way."""
        if self._closed:
            # A pool made after `close` would never be closed.
            raise ClosedPoolError(self._pool, "the session is closed")  # type: ignore[arg-type]
        if self._pool is None:
            pool = cast("GuardedPool", super().get_connection_with_tls_context(request, verify, proxies, cert))
            pool.context = self._context
            self._pool = pool
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
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> PoolManager:
        """As in requests, with guarded connections."""
        manager: PoolManager = super().proxy_manager_for(proxy, **kwargs, **self._server_name_options())
        manager.pool_classes_by_scheme = POOLS
        return manager

    def _server_name_options(self) -> dict[str, str]:
        if self._server_name is None:
            return {}
        return {"server_hostname": self._server_name, "assert_hostname": self._server_name}

    def refuse(self) -> None:
        """Open no connection from now on."""
        self._closed = True

    def close_idle(self) -> bool:
        """Close the connections that have been idle for too long; True if others are still idle."""
        return self._pool is not None and self._pool.close_idle()

    def close(self) -> None:
        """Close the connections; those in use as soon as their requests have ended."""
        self.refuse()
        if self._pool is not None:
            # requests only drops its pools, whose sockets stay open until they are garbage-collected.
            self._pool.close()
        super().close()


class GuardedSession(requests.Session):
    """A session whose requests are limited in their total time, and that does what it is told and nothing else.

    No `.netrc`, `REQUESTS_CA_BUNDLE` or proxy of the environment, no cookies, and no look at where a redirect leads:
    requests would read that answer's whole body and parse its `Location` even with ``allow_redirects=False``.

    Args:
        watchdog: ends what takes too long.
        concurrency: idle connections to keep: as many as there are requests under way at once.
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
        self._context = Context(watchdog.clock)
        self.trust_env = False
        self.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        self.headers["User-Agent"] = f"yunxiao-token-exporter/{__version__}"
        self._verify: bool | str = not insecure_skip_verify
        if self._verify and ca_file is not None:
            self._verify = str(ca_file)
        self.verify = self._verify
        self._adapter = GuardedAdapter(self._context, concurrency, server_name)
        self.mount("http://", self._adapter)
        self.mount("https://", self._adapter)

    @contextlib.contextmanager
    def call(self, limit: float) -> Iterator[Call]:
        """The one request that the calling thread makes in here may take so many seconds."""
        with self._watchdog.call(limit, self) as call, self._context.calling(call):
            yield call

    def send_as_is(self, request: requests.PreparedRequest, timeout: float) -> requests.Response:
        """Send a prepared request by the adapter alone, and leave the answer's body to be read.

        What a session does around that, with redirects, cookies and settings of the environment, is not wanted here and
        costs as much as the request.

        A GET that fails on a connection which was used before is sent once more on a fresh one, within the same time
        limit: the server may have closed the connection meanwhile, and a NAT may have forgotten it.
        """
        call = self._context.call
        call.resendable = request.method == "GET"
        try:
            return self._send(request, timeout)
        except (requests.ConnectionError, requests.Timeout) as error:
            if call.idle is None or not call.resendable or call.remaining() <= 0:
                raise
            silent = isinstance(error, requests.Timeout)
            clear_chain(error)
        return self._send_again(request, call, silent=silent)

    def _send(self, request: requests.PreparedRequest, timeout: float) -> requests.Response:
        return self._adapter.send(request, stream=True, timeout=timeout, verify=self._verify, proxies=self.proxies)

    def _send_again(self, request: requests.PreparedRequest, call: Call, *, silent: bool) -> requests.Response:
        idle = call.idle or 0.0
        call.resent = True
        try:
            response = self._send(request, call.remaining())
        except requests.RequestException as error:
            if silent and (call.remaining() <= 0 or isinstance(error, requests.Timeout)):
                self._context.reuse.is_slow()
            raise
        if silent:
            self._context.reuse.was_forgotten(idle)
        return response

    def close_idle(self) -> bool:
        """Close the connections that have been idle for too long; True if others are still idle."""
        return self._adapter.close_idle()

    def close(self) -> None:
        """End the requests under way and close the connections; nothing can be sent afterwards."""
        self._adapter.refuse()
        self._watchdog.end_calls_of(self)
        super().close()

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - as in requests
        """None: redirects are refused."""
        return


__all__ = ["Call", "GuardedAdapter", "GuardedSession", "Watchdog"]
