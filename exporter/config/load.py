"""Reads, validates and resolves a configuration. Whatever must be right before the first request is checked here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from exporter.common.plain_secrets import learn_written
from exporter.common.redaction import Redactor
from exporter.config.content import FileContent
from exporter.config.document import Document, parse_yaml, read_text, read_yaml
from exporter.config.errors import ConfigError, Fault
from exporter.config.resolve import Resolver
from exporter.config.schema import Config
from exporter.config.settings import Settings
from exporter.config.user_files import duplicate_id_faults, threshold_faults
from exporter.config.validation import keys_of, sorted_faults, validated
from exporter.policies.schema import Policies

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_CONFIG: TypeAdapter[Config] = TypeAdapter(Config)
_POLICIES = "policies"


def load(file: Path, environ: Mapping[str, str], redactor: Redactor | None = None) -> Settings:
    """Read and check a configuration with everything that it refers to.

    Args:
        file: the configuration file; paths in it are relative to its folder.
        environ: the environment, for `token_env` and proxies.
        redactor: learns each secret that is read; pass the same one at every reload. None makes a new one.

    Raises:
        ConfigError: with every fault of the file, and of the files that it names.
    """
    redactor = Redactor() if redactor is None else redactor
    # Before the text is read: if the file is changed meanwhile, this is the old content, and the change is not missed.
    content = FileContent.of(file)
    text = read_text(file, str(file))
    learn_written(redactor, text, str(file))
    try:
        settings = load_document(parse_yaml(text, str(file)), file.parent, environ, redactor)
        return replace(settings, content=content)
    except ConfigError as error:
        raise error.cleaned(redactor) from None


def policies_of(file: Path) -> Policies:
    """The section `policies` of a configuration; no policies if it has none. Nothing else is checked.

    Raises:
        ConfigError: with every fault of the section.
    """
    whole = read_yaml(file, str(file))
    data = whole.data if isinstance(whole.data, dict) else {}
    section = data.get(_POLICIES)
    below = {path[1:]: line for path, line in whole.lines.items() if path[:1] == (_POLICIES,)}
    document = Document(str(file), {} if section is None else section, below)
    try:
        return validated(TypeAdapter(Policies), document, lambda path: keys_of(Config, (_POLICIES, *path)))
    except ConfigError as error:
        raise ConfigError(
            tuple(replace(one, path=f"{_POLICIES}.{one.path}" if one.path else _POLICIES) for one in error.faults)
        ) from None


def load_document(
    document: Document, folder: Path, environ: Mapping[str, str], redactor: Redactor | None = None
) -> Settings:
    """Check a configuration that has been parsed already; otherwise as `load`."""
    redactor = Redactor() if redactor is None else redactor
    resolver = Resolver(document, folder, environ, redactor)
    try:
        config = validated(_CONFIG, document, lambda path: keys_of(Config, path))
    except ConfigError as error:
        resolver.faulty_document()
        raise ConfigError(sorted_faults((*error.faults, *resolver.faults))) from None
    organizations = [resolver.organization(index, config) for index in range(len(config.organizations))]
    alertmanagers = resolver.receivers(config.alerting)
    redis = None if config.redis is None else resolver.redis(config.redis)
    if faults := (*_faults_between_sections(document, config), *resolver.faults):
        raise ConfigError(sorted_faults(faults))
    return Settings(
        config=config,
        organizations=tuple(one for one in organizations if one is not None),
        alertmanagers=alertmanagers,
        storage=None if config.storage.path is None else folder / config.storage.path,
        redis=redis,
        redactor=redactor,
    )


def _faults_between_sections(document: Document, config: Config) -> Iterator[Fault]:
    """Faults that no section has by itself: repeated names and ids, thresholds in the wrong order."""
    names: set[str] = set()
    for index, organization in enumerate(config.organizations):
        path = ("organizations", index)
        if organization.name in names:
            message = f"organization {organization.name} is listed twice"
            yield document.fault((*path, "name"), message, "give each a different name")
        names.add(organization.name)
        static = (*path, "users", "static")
        yield from duplicate_id_faults(document, organization.users.static, static)
        yield from threshold_faults(document, organization.users.static, static, config.alerting)
