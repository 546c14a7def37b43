"""Options that several commands share, and how their values are parsed."""

from pathlib import Path
from typing import Annotated, Final

import typer

from exporter.common.log_options import Format, Level

DEFAULT_ADDRESS: Final = ":10097"
_PREFIX = "YUNXIAO_TOKEN_EXPORTER_"


def env(name: str) -> str:
    """The environment variable of a flag, such as `YUNXIAO_TOKEN_EXPORTER_SHARD` for `SHARD`."""
    return _PREFIX + name


def _external_url(text: str) -> str:
    # Imported here, since it needs a library that is slow to import.
    from exporter.common.fields import external_url

    try:
        return external_url(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} {error}") from None


ConfigFile = Annotated[
    Path,
    typer.Option(
        "--config.file", envvar=env("CONFIG_FILE"), help="Configuration file; config.example.yaml explains each key."
    ),
]
ListenAddresses = Annotated[
    list[str],
    typer.Option(
        "--web.listen-address",
        envvar=env("WEB_LISTEN_ADDRESS"),
        help="Address to listen on, such as :10097, 127.0.0.1:10097, [::1]:10097 or unix:/run/exporter.sock. May be "
        "given several times.",
    ),
]
ExternalUrl = Annotated[
    str | None,
    typer.Option(
        "--web.external-url",
        parser=_external_url,
        metavar="URL",
        envvar=env("WEB_EXTERNAL_URL"),
        help="URL under which people open the exporter, for links in alerts. Default: web.external_url of the "
        "configuration.",
    ),
]
LogLevel = Annotated[Level, typer.Option("--log.level", envvar=env("LOG_LEVEL"), help="Lowest level that is logged.")]
LogFormat = Annotated[Format, typer.Option("--log.format", envvar=env("LOG_FORMAT"), help="Format of log lines.")]
