"""Options that several commands share, and how their values are parsed."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from exporter.common.log_options import Format, Level
from exporter.model.token import TokenState

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


DEFAULT_CONFIGS: Final = (Path("config.yaml"), Path("/etc/yunxiao-token-exporter/config.yaml"))
"""Configuration files that are used if none is named: the first that exists."""


def is_there(file: Path) -> bool:
    """Whether a file exists, or is in a folder without access: who reads it is then told so."""
    try:
        return file.exists()
    except OSError:
        return True


def default_config() -> Path:
    """The configuration that is used if none is named."""
    return next((file for file in DEFAULT_CONFIGS if is_there(file)), DEFAULT_CONFIGS[0])


ConfigFile = Annotated[
    Path,
    typer.Option(
        "--config.file",
        "-c",
        envvar=env("CONFIG_FILE"),
        metavar="FILE",
        default_factory=default_config,
        show_default=f"./{DEFAULT_CONFIGS[0]}, else {DEFAULT_CONFIGS[1]}",
        help="Configuration file; config.example.yaml explains each key.",
    ),
]
WebConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--web.config.file",
        envvar=env("WEB_CONFIG_FILE"),
        metavar="FILE",
        help="TLS, authentication, headers and rate limit, in the format of Prometheus' exporter-toolkit.",
    ),
]
ListenAddresses = Annotated[
    list[str],
    typer.Option(
        "--web.listen-address",
        envvar=env("WEB_LISTEN_ADDRESS"),
        metavar="ADDRESS",
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


def output_file_option(variable: str, help_text: str) -> Any:
    """The option --output-file of a command, with its own environment variable."""
    return typer.Option("--output-file", envvar=env(variable), metavar="FILE", help=help_text, show_default=False)


FILE_HELP: Final = "File to write; - is stdout. Its suffix chooses the format, unless --output names one."
ByteOrderMark = Annotated[
    bool | None,
    typer.Option(
        "--bom/--no-bom",
        envvar=env("BOM"),
        help="Whether CSV begins with a byte order mark, without which Excel takes Chinese text for GBK. Default: in "
        "files, but not on stdout.",
        show_default=False,
    ),
]
AllowFailed = Annotated[
    int,
    typer.Option(
        "--allow-failed",
        envvar=env("ALLOW_FAILED"),
        metavar="N",
        min=0,
        help="Do not exit with 3 if at most N users could not be polled.",
    ),
]
LogLevel = Annotated[Level, typer.Option("--log.level", envvar=env("LOG_LEVEL"), help="Lowest level that is logged.")]
LogFormat = Annotated[Format, typer.Option("--log.format", envvar=env("LOG_FORMAT"), help="Format of log lines.")]
Patterns = list[str] | None
"""Values of an option that may be given several times."""
Users = Annotated[
    Patterns,
    typer.Option(
        "--user",
        envvar=env("USER"),
        metavar="PATTERN",
        help="Only tokens of users with this id or name. * is any text, ? any character. May be given several times.",
        show_default=False,
    ),
]
Organizations = Annotated[
    Patterns,
    typer.Option(
        "--organization",
        envvar=env("ORGANIZATION"),
        metavar="PATTERN",
        help="Only tokens of organizations with this name.",
        show_default=False,
    ),
]
Permissions = Annotated[
    Patterns,
    typer.Option(
        "--permission",
        envvar=env("PERMISSION"),
        metavar="PATTERN",
        help="Only tokens that grant this permission; base_user_read finds base_user_read_write as well.",
        show_default=False,
    ),
]
States = Annotated[
    list[TokenState] | None,
    typer.Option("--state", envvar=env("STATE"), help="Only tokens in this state.", show_default=False),
]
Owners = Annotated[
    Patterns,
    typer.Option(
        "--owner",
        envvar=env("OWNER"),
        metavar="PATTERN",
        help="Only tokens of owners with this e-mail address, department or user name, such as '*@acme.com'. "
        "They are known for discovered users.",
        show_default=False,
    ),
]
