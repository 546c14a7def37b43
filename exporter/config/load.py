"""From a path to checked settings: everything that has to be right before the first request is looked at here."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, TypeAdapter, ValidationError
from requests.utils import get_environ_proxies, should_bypass_proxies

from exporter.common.fields import FilePath, VariableName
from exporter.common.plain_secrets import learn_basic_auth, learn_proxies, learn_written
from exporter.common.redaction import Redactor
from exporter.common.secrets import (
    SecretError,
    SecretFile,
    SecretFiles,
    SecretSource,
    SecretValue,
    clean_password,
    clean_secret,
)
from exporter.config.authorities import check_authorities
from exporter.config.document import Document, parse_yaml, read_text
from exporter.config.errors import ConfigError, Fault
from exporter.config.schema import Config, Organization, StaticUser
from exporter.config.user_files import Stamp, UserFiles, joined, repeated_ids, threshold_faults
from exporter.config.validation import checked, in_order, keys_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exporter.config.alerting import Alerting, Alertmanager
    from exporter.config.errors import KeyPath
    from exporter.config.redis import Redis
    from exporter.model.user import User

_CONFIG: TypeAdapter[Config] = TypeAdapter(Config)


@dataclass(frozen=True, slots=True)
class OrganizationSettings:
    """One organization, with all that its configuration points at.

    Attributes:
        config: the section of the file.
        token: where the administrator's token comes from.
        users: whom to watch, as the files stood when they were read.
        user_files: the files to look at again.
        users_stamp: the state of those files before they were read.
        ca_file: the private authorities' file as an absolute path.
        ca_digest: what is in it, so that a reload sees that it has changed.
        proxies: proxy by scheme, from the configuration or the environment; may hold a password.
    """

    config: Organization
    token: SecretSource
    users: tuple[User, ...]
    user_files: UserFiles
    users_stamp: Stamp
    ca_file: Path | None
    ca_digest: str
    proxies: _Proxies

    def same_client(self, other: OrganizationSettings) -> bool:
        """Whether requests would be made in just the same way, whoever is watched."""
        return (
            self.config.model_copy(update={"users": other.config.users}) == other.config
            and self.ca_digest == other.ca_digest
            and self.proxies == other.proxies
            and (isinstance(self.token, (SecretFile, SecretFiles)) or self.token.current() == other.token.current())
        )


class _Proxies(dict[str, str]):
    """Proxies by scheme; its repr shows no password."""

    def __repr__(self) -> str:
        return f"<proxies for {', '.join(self)}>" if self else "<no proxies>"


@dataclass(frozen=True, slots=True)
class AlertmanagerSettings:
    """One Alertmanager, with all that its configuration points at.

    Attributes:
        config: the section of the file.
        secret: its password or bearer token; None for neither.
        ca_file: the authorities' file as an absolute path.
    """

    config: Alertmanager
    secret: SecretSource | None
    ca_file: Path | None


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """The Redis that processes share, with all that its configuration points at.

    Attributes:
        config: the section of the file.
        password: None for none.
        ca_file: the authorities' file as an absolute path.
    """

    config: Redis
    password: SecretSource | None
    ca_file: Path | None


@dataclass(frozen=True, slots=True)
class Settings:
    """A configuration that has been checked whole."""

    config: Config
    organizations: tuple[OrganizationSettings, ...]
    alertmanagers: tuple[AlertmanagerSettings, ...]
    storage: Path | None
    redis: RedisSettings | None
    redactor: Redactor

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of all labels that users' entries carry, or will once they have been discovered."""
        users = (user for one in self.organizations for user in one.users)
        found = (one.config.users.discover for one in self.organizations)
        discovered: set[str] = {name for one in found if one is not None for name in one.owner_labels}
        return tuple(sorted(discovered | {name for user in users for name, _ in user.labels}))

    def notes(self, now: float) -> tuple[str, ...]:
        """What is sound but ought to be looked at, as sentences."""
        return (*self.rule_notes, *self._ended_mutes(now), *self._ended_exceptions(now))

    @property
    def rule_notes(self) -> tuple[str, ...]:
        """What the printed rules cannot do with such a configuration, as sentences."""
        if self.config.metrics.per_token:
            return ()
        note = (
            "metrics.per_token is false, so Prometheus' rules have no token to alert on; "
            "let the exporter notify alerting.alertmanagers itself, or expose the tokens"
        )
        return (note,)

    def _ended_mutes(self, now: float) -> Iterator[str]:
        for index, entry in enumerate(self.config.alerting.ignore):
            if not entry.active(now):
                yield (
                    f"alerting.ignore[{index}] ({entry.reason}) ended on {entry.until} and no longer "
                    "silences alerts; remove it or set a later date"
                )

    def _ended_exceptions(self, now: float) -> Iterator[str]:
        for policy in self.config.policies.enabled:
            for index, entry in enumerate(policy.exceptions):
                if not entry.active(now):
                    yield (
                        f"policies.{policy.name}.exceptions[{index}] ({entry.reason}) ended on {entry.until} and no "
                        "longer exempts tokens; remove it or set a later date"
                    )


def load(file: Path, environ: Mapping[str, str], redactor: Redactor | None = None) -> Settings:
    """Read and check a configuration with everything it points at.

    Args:
        file: the configuration file; paths in it are relative to its folder.
        environ: the environment, for `token_env`.
        redactor: learns each secret that is read; the same one over reloads. None makes a new one.

    Raises:
        ConfigError: with every fault of the file, and those of the files it names.
    """
    redactor = Redactor() if redactor is None else redactor
    text = read_text(file, str(file))
    learn_written(redactor, text, str(file))
    try:
        return settle(parse_yaml(text, str(file)), file.parent, environ, redactor)
    except ConfigError as error:
        raise error.cleaned(redactor) from None


def settle(document: Document, folder: Path, environ: Mapping[str, str], redactor: Redactor | None = None) -> Settings:
    """Check a configuration that has been read already; `load` says the rest."""
    redactor = Redactor() if redactor is None else redactor
    outside = _Outside(folder, environ, redactor)
    try:
        config = checked(_CONFIG, document, lambda path: keys_of(Config, path))
    except ConfigError as error:
        raise ConfigError(in_order((*error.faults, *_pointed_at_faults(document, outside)))) from None
    faults: list[Fault] = []
    names: dict[str, int] = {}
    for index, organization in enumerate(config.organizations):
        path = ("organizations", index)
        if organization.name in names:
            message = f"organization {organization.name} is given twice"
            faults.append(document.fault((*path, "name"), message, "give each a name of its own"))
        names.setdefault(organization.name, index)
        static = (*path, "users", "static")
        faults.extend(repeated_ids(document, organization.users.static, static))
        faults.extend(threshold_faults(document, organization.users.static, static, config.alerting))
    settled = []
    for index in range(len(config.organizations)):
        try:
            settled.append(_settle_organization(document, index, config, outside))
        except ConfigError as error:
            faults.extend(error.faults)
    alertmanagers = _settle_alertmanagers(document, config, outside, faults)
    redis = None if config.redis is None else _settle_redis(document, config.redis, outside, faults)
    if faults:
        raise ConfigError(in_order(faults))
    storage = None if config.storage.path is None else folder / config.storage.path
    return Settings(config, tuple(settled), alertmanagers, storage, redis, redactor)


@dataclass(frozen=True, slots=True)
class _Outside:
    """What a configuration may point at, and what learns the secrets found there.

    Attributes:
        folder: what paths are relative to.
        environ: the environment.
        redactor: is given each secret that is read.
    """

    folder: Path
    environ: Mapping[str, str]
    redactor: Redactor


def _as_fault(document: Document, path: KeyPath, error: Exception) -> Fault:
    """An error whose text is "what is wrong; what to do" as a fault at the path."""
    message, _, hint = str(error).partition("; ")
    return document.fault(path, message, hint)


def _settle_alertmanagers(
    document: Document, config: Config, outside: _Outside, faults: list[Fault]
) -> tuple[AlertmanagerSettings, ...]:
    settled = []
    seen: dict[str, int] = {}
    for index, one in enumerate(config.alerting.alertmanagers):
        path = ("alerting", "alertmanagers", index)
        if one.url in seen:
            faults.append(document.fault((*path, "url"), "this Alertmanager is given twice", "keep one"))
        seen.setdefault(one.url, index)
        ca_file = None if one.tls.ca_file is None else outside.folder / one.tls.ca_file
        secret, key = _alertmanager_secret(one, outside)
        try:
            if secret is not None:
                secret.current()
        except SecretError as error:
            faults.append(_as_fault(document, (*path, *key), error))
        if ca_file is not None:
            try:
                check_authorities(ca_file)
            except ValueError as error:
                faults.append(_as_fault(document, (*path, "tls", "ca_file"), error))
        settled.append(AlertmanagerSettings(one, secret, ca_file))
    return tuple(settled)


def _alertmanager_secret(config: Alertmanager, outside: _Outside) -> tuple[SecretSource | None, KeyPath]:
    """The password or token for an Alertmanager, and the key that names its file."""
    if config.basic_auth is not None:
        learn = functools.partial(_learn_password, outside.redactor, config.basic_auth.username)
        file = outside.folder / config.basic_auth.password_file
        return SecretFile(file, clean_password, learn), ("basic_auth", "password_file")
    if config.authorization is not None:
        file = outside.folder / config.authorization.credentials_file
        return SecretFile(file, learn=outside.redactor.add), ("authorization", "credentials_file")
    return None, ()


def _learn_password(redactor: Redactor, username: str, password: str, source: str) -> None:
    redactor.add(password, source)
    learn_basic_auth(redactor, username, password, source)


def _settle_redis(document: Document, config: Redis, outside: _Outside, faults: list[Fault]) -> RedisSettings:
    folder = outside.folder
    password = (
        None
        if config.password_file is None
        else SecretFile(folder / config.password_file, clean_password, outside.redactor.add)
    )
    ca_file = None if config.tls.ca_file is None else folder / config.tls.ca_file
    try:
        if password is not None:
            password.current()
    except SecretError as error:
        faults.append(_as_fault(document, ("redis", "password_file"), error))
    try:
        if ca_file is not None:
            check_authorities(ca_file)
    except ValueError as error:
        faults.append(_as_fault(document, ("redis", "tls", "ca_file"), error))
    return RedisSettings(config, password, ca_file)


def _pointed_at_faults(document: Document, outside: _Outside) -> list[Fault]:
    """The faults of files and variables that a faulty configuration points at, as far as it can be followed."""
    faults: list[Fault] = []
    data = document.data if isinstance(document.data, dict) else {}
    organizations = data.get("organizations")
    for index, raw in enumerate(organizations if isinstance(organizations, list) else []):
        try:
            pointers = _POINTERS.validate_python(raw)
        except ValidationError:
            continue  # the schema's own faults speak for it
        try:
            _follow(document, index, pointers, outside, alerting=None)
        except ConfigError as error:
            faults.extend(error.faults)
    return faults


def _settle_organization(document: Document, index: int, config: Config, outside: _Outside) -> OrganizationSettings:
    organization = config.organizations[index]
    pointers = _POINTERS.validate_python(organization, from_attributes=True)
    found = _follow(document, index, pointers, outside, config.alerting)
    if found.token is None:  # the schema sees to it that there is a source
        raise ConfigError((document.fault(("organizations", index), "has no token", "add token_file"),))
    proxies = _proxies(organization)
    learn_proxies(outside.redactor, proxies, f"proxies of {organization.name}")
    return OrganizationSettings(
        config=organization,
        token=found.token,
        users=joined(organization.users.static, found.file_entries),
        user_files=found.user_files,
        users_stamp=found.users_stamp,
        ca_file=found.ca_file,
        ca_digest=found.ca_digest,
        proxies=proxies,
    )


class _TlsPointers(BaseModel):
    ca_file: FilePath | None = None


class _UsersPointers(BaseModel):
    files: tuple[FilePath, ...] = ()


class _Pointers(BaseModel):
    """The keys of an organization that point at something outside the file, and nothing else."""

    token_file: FilePath | None = None
    token_files: tuple[FilePath, ...] = ()
    token_env: VariableName | None = None
    tls: _TlsPointers = _TlsPointers()
    users: _UsersPointers = _UsersPointers()


_POINTERS: TypeAdapter[_Pointers] = TypeAdapter(_Pointers)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the pointers of an organization lead to."""

    token: SecretSource | None
    file_entries: tuple[StaticUser, ...]
    user_files: UserFiles
    users_stamp: Stamp
    ca_file: Path | None
    ca_digest: str


def _follow(
    document: Document,
    index: int,
    pointers: _Pointers,
    outside: _Outside,
    alerting: Alerting | None,
) -> _Found:
    path = ("organizations", index)
    folder = outside.folder
    faults: list[Fault] = []

    token: SecretSource | None = None
    key = "token_file" if pointers.token_file is not None else "token_env"
    try:
        token = _token(pointers, outside)
    except SecretError as error:
        faults.append(_as_fault(document, (*path, key), error))
    if isinstance(token, SecretFiles):
        for number, file in enumerate(token.files):
            try:
                file.current()
            except SecretError as error:
                faults.append(_as_fault(document, (*path, "token_files", number), error))

    user_files = UserFiles(folder, pointers.users.files, alerting)
    stamp = user_files.stamp()
    entries: tuple[StaticUser, ...] = ()
    try:
        entries = user_files.read()
    except ConfigError as error:
        faults.extend(error.faults)

    ca_file = None if pointers.tls.ca_file is None else folder / pointers.tls.ca_file
    ca_digest = ""
    if ca_file is not None:
        try:
            ca_digest = check_authorities(ca_file)
        except ValueError as error:
            faults.append(_as_fault(document, (*path, "tls", "ca_file"), error))
    if faults:
        raise ConfigError(tuple(faults))
    return _Found(token, entries, user_files, stamp, ca_file, ca_digest)


def _token(pointers: _Pointers, outside: _Outside) -> SecretSource | None:
    learn = outside.redactor.add
    if pointers.token_file is not None:
        source = SecretFile(outside.folder / pointers.token_file, learn=learn)
        source.current()
        return source
    if pointers.token_files:
        return SecretFiles([outside.folder / name for name in pointers.token_files], learn)
    variable = pointers.token_env
    if variable is None:
        return None
    if variable not in outside.environ:
        raise SecretError(f"the environment variable {variable} is not set; set it to the token")
    # surrogateescape gives back the bytes as they stand in the environment
    raw = outside.environ[variable].encode("utf-8", "surrogateescape")
    secret = clean_secret(raw, f"the environment variable {variable}")
    learn(secret.reveal(), f"variable {variable}")
    return SecretValue(secret)


def _proxies(organization: Organization) -> _Proxies:
    if organization.proxy_url is not None:
        return _Proxies(http=organization.proxy_url, https=organization.proxy_url)
    if should_bypass_proxies(organization.endpoint, no_proxy=None):
        return _Proxies()
    return _Proxies(get_environ_proxies(organization.endpoint))
