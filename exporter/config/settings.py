"""A checked configuration with the values of everything that it refers to: users, secrets, files, proxies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from exporter.common.live_tls import LiveTls
from exporter.common.secrets import SecretFile, SecretFiles
from exporter.config.advice import organization_warnings
from exporter.config.client import Tls
from exporter.model.labels import KIND
from exporter.model.user import with_known_objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from exporter.common.redaction import Redactor
    from exporter.common.secrets import SecretSource
    from exporter.config.alerting import ReceiverSection
    from exporter.config.content import FileContent
    from exporter.config.redis import Redis
    from exporter.config.schema import Config, Organization
    from exporter.config.user_files import Stamp, UserFiles
    from exporter.model.user import User


class Proxies(dict[str, str]):
    """Proxies by scheme. Its repr shows no password."""

    def __repr__(self) -> str:
        return f"<proxies for {', '.join(self)}>" if self else "<no proxies>"


@dataclass(frozen=True, slots=True)
class OrganizationSettings:
    """One organization, with everything that its configuration refers to.

    Attributes:
        config: the section of the file.
        token: the source of the administrator's token.
        users: the users of `static` and `files`, as the files were when they were read.
        user_files: the files to check for changes.
        users_stamp: the state of those files before they were read.
        tls: certificate authorities and client certificate; both follow their files.
        proxies: proxy URLs by scheme, from the configuration or the environment; may contain passwords.
    """

    config: Organization
    token: SecretSource
    users: tuple[User, ...]
    user_files: UserFiles
    users_stamp: Stamp
    tls: LiveTls
    proxies: Proxies

    def with_known_users(self, known: Iterable[User]) -> OrganizationSettings:
        """The same settings; users that are equal to known ones are these objects."""
        return replace(self, users=with_known_objects(self.users, known))

    def same_client(self, other: OrganizationSettings) -> bool:
        """Whether requests would be made in the same way. The lists of users may differ."""
        return (
            self.config.model_copy(update={"users": other.config.users}) == other.config
            and self.proxies == other.proxies
            and (isinstance(self.token, (SecretFile, SecretFiles)) or self.token.current() == other.token.current())
        )


@dataclass(frozen=True, slots=True)
class AlertmanagerSettings:
    """One Alertmanager, with everything that its configuration refers to.

    Attributes:
        config: the section of the file.
        secret: its password or bearer token; None for neither.
        tls: certificate authorities and client certificate; both follow their files.
    """

    config: ReceiverSection
    secret: SecretSource | None
    tls: LiveTls = field(default_factory=LiveTls)

    @property
    def proxies(self) -> Proxies:
        """Proxy URLs by scheme; may contain a password."""
        proxy = self.config.proxy_url
        return Proxies() if proxy is None else Proxies(http=proxy, https=proxy)


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """The Redis that processes share, with everything that its configuration refers to.

    Attributes:
        config: the section of the file.
        password: None for none.
        tls: certificate authorities and client certificate; both follow their files.
    """

    config: Redis
    password: SecretSource | None
    tls: LiveTls = field(default_factory=lambda: LiveTls(system=True))


@dataclass(frozen=True, slots=True)
class Settings:
    """A configuration without faults.

    Attributes:
        config: the file.
        organizations: in the order of the file.
        alertmanagers: in the order of the file.
        storage: path of the SQLite file; None to keep state in memory.
        redis: None if the process shares nothing with others.
        redactor: removes the secrets of this configuration, and of earlier ones, from text.
        route_prefix: the path below which everything is served; "" for none. Read once at startup.
        content: what the configuration file contained; None if the configuration does not come from a file. All files
            that it names are followed without a reload.
    """

    config: Config
    organizations: tuple[OrganizationSettings, ...]
    alertmanagers: tuple[AlertmanagerSettings, ...]
    storage: Path | None
    redis: RedisSettings | None
    redactor: Redactor
    route_prefix: str = ""
    content: FileContent | None = None

    def with_external_url(self, url: str | None) -> Settings:
        """The same settings with the external URL of the command line, if there is one."""
        if url is None:
            return self
        web = self.config.web.model_copy(update={"external_url": url})
        return replace(self, config=self.config.model_copy(update={"web": web}))

    def with_known_users(self, known: Mapping[str, Iterable[User]]) -> Settings:
        """The same settings; users that are equal to known ones are these objects.

        Args:
            known: users by organization.
        """
        organizations = [
            one if (users := known.get(one.config.name)) is None else one.with_known_users(users)
            for one in self.organizations
        ]
        return replace(self, organizations=tuple(organizations))

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of all labels that users have, or may have once they have been discovered."""
        users = (user for one in self.organizations for user in one.users)
        sections = (one.config.users.discover for one in self.organizations)
        discovered: set[str] = {name for one in sections if one is not None for name in one.owner_labels}
        return tuple(sorted(discovered | {name for user in users for name, _ in user.labels}))

    def warnings(self, now: float) -> tuple[str, ...]:
        """What is valid but probably not intended at the time ``now``, as sentences."""
        return (
            *self._organization_warnings(),
            *self._certificate_warnings(now),
            *self.rule_warnings,
            *self._ended_silences(now),
            *self._ended_exemptions(now),
        )

    @property
    def rule_warnings(self) -> tuple[str, ...]:
        """What the printed Prometheus rules cannot do with this configuration, as sentences."""
        found = []
        if not self.config.metrics.alerts:
            found.append(
                "metrics.alerts is false, so Prometheus rules have no series to alert on; let the exporter send alerts "
                "itself to alerting.alertmanagers, or set metrics.alerts to true"
            )
        if self.config.watches_ssh_keys and KIND in self.label_names:
            found.append(
                f"the label {KIND} of users replaces that of SSH keys in Prometheus rules, which then call them "
                "tokens; choose another name in the labels of users"
            )
        return tuple(found)

    def _organization_warnings(self) -> Iterator[str]:
        for index, one in enumerate(self.organizations):
            yield from organization_warnings(f"organizations[{index}]", one.config, one.users)

    def tls_files(self) -> Iterator[tuple[str, LiveTls]]:
        """What follows files of certificates, after the key path of the section `tls` that names them."""
        sections = [
            *((f"organizations[{index}]", one.tls) for index, one in enumerate(self.organizations)),
            *((f"alerting.alertmanagers[{index}]", one.tls) for index, one in enumerate(self.alertmanagers)),
            *(() if self.redis is None else (("redis", self.redis.tls),)),
        ]
        return ((f"{path}.tls", tls) for path, tls in sections if tls.has_files)

    def _certificate_warnings(self, now: float) -> Iterator[str]:
        soon = self.config.alerting.thresholds.warning
        for path, tls in self.tls_files():
            if tls.certificate is not None and (problem := tls.certificate.problem(now, soon)) is not None:
                yield f"{path}.cert_file: {problem}"
        for index, receiver in enumerate(self.alertmanagers):
            if receiver.config.tls != Tls() and receiver.config.url.lower().startswith("http:"):
                yield (
                    f"alerting.alertmanagers[{index}].tls: has no effect, because url is http://; write https:// or "
                    "remove it"
                )

    def _ended_silences(self, now: float) -> Iterator[str]:
        for index, entry in enumerate(self.config.alerting.ignore):
            if not entry.active(now):
                yield (
                    f"alerting.ignore[{index}] ({entry.reason}) ended on {entry.until} and no longer silences alerts; "
                    "remove it or set a later date"
                )

    def _ended_exemptions(self, now: float) -> Iterator[str]:
        for policy in self.config.policies.enabled:
            for index, entry in enumerate(policy.exceptions):
                if not entry.active(now):
                    yield (
                        f"policies.{policy.name}.exceptions[{index}] ({entry.reason}) ended on {entry.until} and no "
                        "longer exempts tokens; remove it or set a later date"
                    )
