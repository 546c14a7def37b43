"""Resolves what a configuration refers to: files, environment variables, certificate authorities, proxies."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, TypeAdapter, ValidationError

from exporter.common.certificates import TlsError
from exporter.common.fields import FilePath, VariableName
from exporter.common.live_tls import LiveTls, TlsFiles
from exporter.common.plain_secrets import learn_basic_auth, learn_proxies
from exporter.common.secrets import SecretError, SecretFile, SecretFiles, SecretValue, clean_password, clean_secret
from exporter.config.errors import ConfigError, Fault
from exporter.config.proxies import proxy_for
from exporter.config.settings import AlertmanagerSettings, OrganizationSettings, Proxies, RedisSettings
from exporter.config.user_files import Stamp, UserFiles, joined

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from exporter.common.redaction import Redactor
    from exporter.common.secrets import SecretSource
    from exporter.config.alerting import Alerting, ReceiverSection
    from exporter.config.client import CertificateFiles
    from exporter.config.document import Document
    from exporter.config.errors import KeyPath
    from exporter.config.redis import Redis
    from exporter.config.schema import Config, Organization
    from exporter.model.user import User


class _TlsReferences(BaseModel):
    ca_file: FilePath | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None


class _UsersReferences(BaseModel):
    files: tuple[FilePath, ...] = ()


class _References(BaseModel):
    """The keys of an organization that refer to something outside the file. Other keys may have faults."""

    token_file: FilePath | None = None
    token_files: tuple[FilePath, ...] = ()
    token_env: VariableName | None = None
    tls: _TlsReferences = _TlsReferences()
    users: _UsersReferences = _UsersReferences()


_REFERENCES: TypeAdapter[_References] = TypeAdapter(_References)


@dataclass(frozen=True, slots=True)
class _Resolved:
    """What the references of an organization resolve to."""

    token: SecretSource | None
    listed: tuple[User, ...]
    user_files: UserFiles
    users_stamp: Stamp
    tls: LiveTls


class Resolver:
    """Resolves the references of one document and collects all faults on the way.

    Args:
        document: the configuration, for the lines of faults.
        folder: the folder that paths are relative to.
        environ: the environment, for `token_env` and proxies.
        redactor: learns each secret that is read.
    """

    def __init__(self, document: Document, folder: Path, environ: Mapping[str, str], redactor: Redactor) -> None:
        self.faults: list[Fault] = []
        self._document = document
        self._folder = folder
        self._environ = environ
        self._redactor = redactor

    def faulty_document(self) -> None:
        """Collect the faults of what a document that has faults itself refers to, as far as it can be followed."""
        data = self._document.data if isinstance(self._document.data, dict) else {}
        organizations = data.get("organizations")
        for index, raw in enumerate(organizations if isinstance(organizations, list) else []):
            try:
                references = _REFERENCES.validate_python(raw)
            except ValidationError:
                continue  # reported as faults of the schema
            self._follow(("organizations", index), references, alerting=None)

    def organization(self, index: int, config: Config) -> OrganizationSettings | None:
        """The organization at this position of the list; None if there are faults."""
        organization = config.organizations[index]
        path = ("organizations", index)
        references = _REFERENCES.validate_python(organization, from_attributes=True)
        faults = len(self.faults)
        resolved = self._follow(path, references, config.alerting, verify=not organization.tls.insecure_skip_verify)
        proxies = self._proxies(path, organization)
        if len(self.faults) > faults:
            return None
        if resolved.token is None:  # the schema requires a source
            self._add((*path,), "has no token", "add token_file")
            return None
        learn_proxies(self._redactor, proxies, f"proxies of {organization.name}")
        return OrganizationSettings(
            config=organization,
            token=resolved.token,
            users=joined(organization.users.static, resolved.listed),
            user_files=resolved.user_files,
            users_stamp=resolved.users_stamp,
            tls=resolved.tls,
            proxies=proxies,
        )

    def receivers(self, alerting: Alerting) -> tuple[AlertmanagerSettings, ...]:
        """The receivers of alerts, in the order of the file."""
        resolved = []
        seen: set[str] = set()
        for key, index, one in alerting.receivers:
            path = ("alerting", key, index)
            if one.url in seen:
                self._add((*path, "url"), "this Alertmanager is listed twice", "keep one")
            seen.add(one.url)
            secret = self._credentials(path, one)
            tls = self._tls(path, one.tls, verify=not one.tls.insecure_skip_verify)
            settings = AlertmanagerSettings(one, secret, tls)
            learn_proxies(self._redactor, settings.proxies, f"proxy of {one.url}")
            resolved.append(settings)
        return tuple(resolved)

    def redis(self, config: Redis) -> RedisSettings:
        """The Redis."""
        password = None
        if config.password_file is not None:
            password = SecretFile(self._folder / config.password_file, clean_password, self._redactor.add)
            self._read(("redis", "password_file"), password)
        return RedisSettings(config, password, self._tls(("redis",), config.tls, system=True))

    def _follow(
        self, path: KeyPath, references: _References, alerting: Alerting | None, *, verify: bool = True
    ) -> _Resolved:
        token = self._token(path, references)
        user_files = UserFiles(self._folder, references.users.files, alerting)
        stamp = user_files.stamp()
        listed: tuple[User, ...] = ()
        try:
            listed = user_files.read()
        except ConfigError as error:
            self.faults.extend(error.faults)
        tls = self._tls(path, references.tls, verify=verify)
        return _Resolved(token, listed, user_files, stamp, tls)

    def _token(self, path: KeyPath, references: _References) -> SecretSource | None:
        learn = self._redactor.add
        if references.token_file is not None:
            file = SecretFile(self._folder / references.token_file, learn=learn)
            self._read((*path, "token_file"), file)
            return file
        if references.token_files:
            files = SecretFiles([self._folder / name for name in references.token_files], learn)
            for number, file in enumerate(files.files):
                self._read((*path, "token_files", number), file)
            return files
        if references.token_env is None:
            return None
        try:
            return self._variable(references.token_env)
        except SecretError as error:
            self.faults.append(self._document.fault_of((*path, "token_env"), error))
            return None

    def _variable(self, name: str) -> SecretValue:
        if name not in self._environ:
            raise SecretError(f"the environment variable {name} is not set; set it to the token")
        # surrogateescape restores the bytes as they are in the environment
        raw = self._environ[name].encode("utf-8", "surrogateescape")
        secret = clean_secret(raw, f"the environment variable {name}")
        self._redactor.add(secret.reveal(), f"variable {name}")
        return SecretValue(secret)

    def _credentials(self, path: KeyPath, config: ReceiverSection) -> SecretSource | None:
        """The password or token for an Alertmanager."""
        if config.basic_auth is not None:
            learn = functools.partial(_learn_password, self._redactor, config.basic_auth.username)
            password = SecretFile(self._folder / config.basic_auth.password_file, clean_password, learn)
            return self._read((*path, "basic_auth", "password_file"), password)
        if config.authorization is not None:
            token = SecretFile(self._folder / config.authorization.credentials_file, learn=self._redactor.add)
            return self._read((*path, "authorization", "credentials_file"), token)
        return None

    def _read(self, path: KeyPath, source: SecretFile) -> SecretFile:
        try:
            source.current()
        except SecretError as error:
            self.faults.append(self._document.fault_of(path, error))
        return source

    def _tls(
        self,
        path: KeyPath,
        section: CertificateFiles | _TlsReferences,
        *,
        verify: bool = True,
        system: bool = False,
    ) -> LiveTls:
        """What the files of a section `tls` contain."""
        named = (section.ca_file, section.cert_file, section.key_file)
        files = TlsFiles(*(None if one is None else self._folder / one for one in named))
        tls = LiveTls(files, verify=verify, system=system)
        if tls.has_files:
            try:
                tls.check()
            except TlsError as error:
                self._add((*path, "tls", *error.key), error.problem, error.hint)
        return tls

    def _proxies(self, path: KeyPath, organization: Organization) -> Proxies:
        """The proxies by scheme."""
        if organization.proxy_url is not None:
            return Proxies(http=organization.proxy_url, https=organization.proxy_url)
        try:
            proxy = proxy_for(organization.endpoint, self._environ)
        except ValueError as error:
            self.faults.append(self._document.fault_of((*path, "endpoint"), error))
            return Proxies()
        return Proxies() if proxy is None else Proxies(http=proxy, https=proxy)

    def _add(self, path: KeyPath, message: str, hint: str) -> None:
        self.faults.append(self._document.fault(path, message, hint))


def _learn_password(redactor: Redactor, username: str, password: str, source: str) -> None:
    redactor.add(password, source)
    learn_basic_auth(redactor, username, password, source)
