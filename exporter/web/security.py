"""TLS, basic auth, headers and rate limit of the HTTP server, from a file in the format of exporter-toolkit."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pydantic import TypeAdapter

from exporter.common.certificates import TlsError
from exporter.config.document import read_yaml
from exporter.config.errors import ConfigError, Fault
from exporter.config.validation import keys_of, validated
from exporter.web.passwords import cost_of
from exporter.web.tls import files_of, server_tls
from exporter.web.tls_names import ClientAuth
from exporter.web.web_config import WebConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.config.document import Document
    from exporter.web.handshake import ServerTls

    Stamp: TypeAlias = tuple[tuple[int, int, int, int] | None, ...]
    """What changes when one of several files changes."""

_WEB: TypeAdapter[WebConfig] = TypeAdapter(WebConfig)
_SLOW_COST = 14
"""Cost of a bcrypt hash above which a check takes longer than a second."""


@dataclass(frozen=True, slots=True)
class WebSecurity:
    """One version of the web configuration, with its certificates loaded.

    Attributes:
        config: the settings.
        tls: for all listeners; None for plain HTTP.
        file: where the settings come from; None if there is no such file.
        files: the file and those that it names.
        stamp: the state of the files when they were read.
        warnings: what the exporter does not do as written.
        open_health: whether `/-/healthy` and `/-/ready` answer without authentication.
        public: whether anyone may read what is served, because it is simulated.
    """

    config: WebConfig = field(default_factory=WebConfig)
    tls: ServerTls | None = None
    file: Path | None = None
    files: tuple[Path, ...] = ()
    stamp: Stamp = ()
    warnings: tuple[str, ...] = ()
    open_health: bool = False
    public: bool = False

    @property
    def users(self) -> Mapping[str, str]:
        """Hashes of passwords by user name."""
        return self.config.basic_auth_users

    @property
    def methods(self) -> tuple[str, ...]:
        """How clients are authenticated, in words; empty if everyone may read everything."""
        server = self.config.tls_server_config
        certificates = server is not None and server.client_auth_type == ClientAuth.REQUIRE
        return (*(("basic auth",) if self.users else ()), *(("client certificates",) if certificates else ()))

    @property
    def checks(self) -> tuple[str, ...]:
        """What restricts clients, in words."""
        named = self.tls is not None and bool(self.tls.allowed)
        return (*self.methods, *(("client_allowed_sans",) if named else ()))

    @classmethod
    def none(cls) -> WebSecurity:
        """Plain HTTP without authentication."""
        return cls()

    @classmethod
    def load(cls, file: Path, *, open_health: bool = False) -> WebSecurity:
        """Read and check a file and the certificates that it names.

        Raises:
            ConfigError: the file or a certificate is invalid.
        """
        # Before reading, so that a change meanwhile is noticed.
        stamp = stamp_of([file])
        document = read_yaml(file, str(file))
        if document.data is None and not document.faults:
            return cls(file=file, files=(file,), stamp=stamp, open_health=open_health)
        config = validated(_WEB, document, lambda path: keys_of(WebConfig, path))
        warnings = _warnings(config)
        tls = None
        files: tuple[Path, ...] = ()
        if (server := config.tls_server_config) is not None:
            files = files_of(server, file.parent)
            stamp += stamp_of(files)
            try:
                tls, more = server_tls(server, file.parent, http2=config.http_server_config.http2)
            except TlsError as error:
                raise _refused(document, error) from None
            warnings += more
        return cls(config, tls, file, (file, *files), stamp, warnings, open_health)

    def stamp_now(self) -> Stamp:
        """The state of the files now; differs from `stamp` if one of them has changed."""
        return stamp_of(self.files)

    def again(self) -> WebSecurity:
        """The settings in the files as they are now.

        Raises:
            ConfigError: a file is invalid, or the change needs a restart.
        """
        if self.file is None:
            return self
        new = WebSecurity.load(self.file, open_health=self.open_health)
        switched = []
        if (new.tls is None) != (self.tls is None):
            switched.append("TLS " + ("off" if new.tls is None else "on"))
        # Else a file that was truncated, such as on a full disk, would let all clients in.
        switched += [f"{method} off" for method in self.checks if method not in new.checks]
        if switched:
            hint = "if that is intended, restart the exporter"
            message = f"switches {' and '.join(switched)}, which is not possible at run time"
            raise ConfigError((Fault(str(self.file), None, "", message, hint),))
        return new


def security_of(file: Path | None, *, open_health: bool = False) -> WebSecurity:
    """The settings of a file; plain HTTP without authentication if there is none."""
    return WebSecurity.none() if file is None else WebSecurity.load(file, open_health=open_health)


def stamp_of(files: Iterable[Path]) -> Stamp:
    """The state of files: their identity, times and size; None for one that cannot be found."""

    def one(file: Path) -> tuple[int, int, int, int] | None:
        try:
            status = file.stat()
        except (OSError, ValueError):
            return None
        # Includes the change time, because making a file readable changes nothing else.
        return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)

    return tuple(map(one, files))


def _refused(document: Document, error: TlsError) -> ConfigError:
    path = ("tls_server_config", *error.key)
    return ConfigError((document.fault(path, error.problem, error.hint),))


def _warnings(config: WebConfig) -> tuple[str, ...]:
    found = []
    if any(cost_of(hashed) > _SLOW_COST for hashed in config.basic_auth_users.values()):
        found.append(
            f"basic_auth_users has a hash of a cost above {_SLOW_COST}: each check of a new password takes seconds"
        )
    if config.rate_limit.interval and not config.rate_limit.burst:
        found.append("rate_limit.burst is 0, so that every request is refused; set it to 1 or more")
    return tuple(found)
