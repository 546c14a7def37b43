"""The commands, their flags and exit codes; what they do is done elsewhere."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from exporter import __version__
from exporter.alerts.prometheus_rules import rules_text
from exporter.app.daemon import Daemon
from exporter.app.demo import demo_settings, demo_simulator
from exporter.app.once import Outcome, sweep_once
from exporter.app.probe import probe
from exporter.app.process import Signals, run
from exporter.cli.terminal import OutputError, Terminal
from exporter.cluster.shard import WHOLE, Shard, parse_shard
from exporter.common import logs
from exporter.common.clock import SystemClock
from exporter.common.durations import parse_duration
from exporter.common.redaction import Redactor
from exporter.config.alerting import Alerting
from exporter.config.errors import ConfigError
from exporter.config.load import load
from exporter.config.schema import Poll
from exporter.policies.builtin import POLICIES
from exporter.report.files import replace_file
from exporter.report.listing import Output, broken_rows, rows, write
from exporter.report.render import Form, render
from exporter.report.summary import summarize
from exporter.web.listen import ListenAddress, ListenError, address_of, listen
from exporter.web.security import WebSecurity, security_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from exporter.config.settings import Settings
    from exporter.policies.base import Policy

_PREFIX = "YUNXIAO_TOKEN_EXPORTER_"
_DEFAULT_ADDRESS = ":10097"
_REFUSED = 1
_FOUND = 1
_SWEEP_FAILED = 2
_CRASHED = 2

app = typer.Typer(
    name="yunxiao-token-exporter",
    help="Prometheus exporter for the personal access tokens of a Yunxiao / Lingma enterprise.",
    no_args_is_help=True,
    add_completion=False,
    # Typer's own tracebacks can show local variables, secrets among them.
    pretty_exceptions_enable=False,
    # Plain help: the boxes cut the names of environment variables short.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)


def _env(name: str) -> str:
    return _PREFIX + name


ConfigFile = Annotated[
    Path,
    typer.Option(
        "--config.file", envvar=_env("CONFIG_FILE"), help="Configuration file; config.example.yaml explains each key."
    ),
]
ListenAddresses = Annotated[
    list[str],
    typer.Option(
        "--web.listen-address",
        envvar=_env("WEB_LISTEN_ADDRESS"),
        help="Address to listen on, such as :10097, 127.0.0.1:10097 or [::1]:10097. May be given several times.",
    ),
]
WebConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--web.config.file",
        envvar=_env("WEB_CONFIG_FILE"),
        help="TLS and basic auth, in the format of Prometheus' exporter-toolkit.",
    ),
]
Lifecycle = Annotated[
    bool,
    typer.Option(
        "--web.enable-lifecycle",
        envvar=_env("WEB_ENABLE_LIFECYCLE"),
        help="Allow POST /-/reload to load the configuration anew.",
    ),
]
LogLevel = Annotated[logs.Level, typer.Option("--log.level", envvar=_env("LOG_LEVEL"), help="How much to log.")]
LogFormat = Annotated[logs.Format, typer.Option("--log.format", envvar=_env("LOG_FORMAT"), help="How log lines look.")]


def _shard(text: str) -> Shard:
    try:
        return parse_shard(text, os.environ)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _version(context: typer.Context, wanted: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if wanted:
        _terminal(context).out(f"yunxiao-token-exporter {__version__}")
        raise typer.Exit


def _terminal(context: typer.Context) -> Terminal:
    terminal: Terminal = context.obj
    return terminal


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def serve(
    context: typer.Context,
    config_file: ConfigFile,
    listen_addresses: ListenAddresses = [_DEFAULT_ADDRESS],  # noqa: B006 - Typer copies it
    web_config_file: WebConfigFile = None,
    *,
    shard: Annotated[
        Shard | None,
        typer.Option(
            "--shard",
            parser=_shard,
            metavar="K/N",
            envvar=_env("SHARD"),
            help="Watch one of N parts of the users, K from 0 to N-1, by a stable hash of the user id. auto/N takes K "
            "from the end of the pod's name (POD_NAME, else HOSTNAME), as in a StatefulSet.",
        ),
    ] = None,
    enable_lifecycle: Lifecycle = False,
    log_level: LogLevel = logs.Level.INFO,
    log_format: LogFormat = logs.Format.LOGFMT,
) -> None:
    """Watch the configured organizations and answer scrapes, until SIGTERM or SIGINT. SIGHUP reloads."""
    signals = Signals()
    terminal = _terminal(context)
    logs.configure(log_level, log_format, terminal.redactor)
    logs.log_uncaught()

    def load_again() -> Settings:
        return load(config_file, os.environ, terminal.redactor)

    settings = _loaded(terminal, config_file)
    security = _secured(terminal, web_config_file)
    sockets = _opened(terminal, listen_addresses)
    clock = SystemClock()
    daemon = Daemon(settings, load_again, sockets, security, clock, lifecycle=enable_lifecycle, shard=shard or WHOLE)
    run(daemon, signals)


@app.command()
def demo(
    context: typer.Context,
    users: Annotated[
        int, typer.Option("--users", min=1, max=100_000, envvar=_env("DEMO_USERS"), help="Simulated users.")
    ] = 25,
    seed: Annotated[
        int, typer.Option("--seed", envvar=_env("DEMO_SEED"), help="The same seed makes the same people.")
    ] = 1,
    listen_addresses: ListenAddresses = [_DEFAULT_ADDRESS],  # noqa: B006 - Typer copies it
    log_level: LogLevel = logs.Level.INFO,
    log_format: LogFormat = logs.Format.LOGFMT,
) -> None:
    """Run the same daemon against a simulated enterprise on loopback: no account needed, nothing leaves the machine."""
    signals = Signals()
    terminal = _terminal(context)
    logs.configure(log_level, log_format, terminal.redactor)
    logs.log_uncaught()
    clock = SystemClock()
    sockets = _opened(terminal, listen_addresses)
    with demo_simulator(users, seed, clock) as simulator:
        settings = demo_settings(simulator, terminal.redactor)
        daemon = Daemon(settings, lambda: settings, sockets, WebSecurity.none(), clock, lifecycle=False)
        terminal.out(f"Simulated enterprise with {users} users: {simulator.url}")
        terminal.out(f"Exporter: {address_of(sockets[0])}/  (metrics at {address_of(sockets[0])}/metrics, Ctrl-C ends)")
        run(daemon, signals)


@app.command("check-config")
def check_config(
    context: typer.Context,
    config_file: ConfigFile,
    *,
    ask: Annotated[
        bool,
        typer.Option(
            "--probe",
            envvar=_env("PROBE"),
            help="Ask each organization for real, too: whose token it is, which users are found, one user's tokens.",
        ),
    ] = False,
) -> None:
    """Check a configuration with everything it points at. Exit code 0 if it is sound, 1 if not."""
    terminal = _terminal(context)
    settings = _loaded(terminal, config_file)
    users = sum(len(one.users) for one in settings.organizations)
    found = sum(one.config.users.discover is not None for one in settings.organizations)
    more = f", more to be discovered in {found}" if found else ""
    terminal.out(f"{config_file}: sound; {len(settings.organizations)} organization(s), {users} user(s){more}")
    for note in settings.warnings(SystemClock().now()):
        terminal.err(f"{config_file}: note: {note}")
    if not ask:
        return
    logs.configure(logs.Level.ERROR, logs.Format.LOGFMT, terminal.redactor)
    logs.log_uncaught()
    all_well = True
    for well, line in probe(settings, SystemClock()):
        all_well = all_well and well
        (terminal.out if well else terminal.err)(line)
    if not all_well:
        raise typer.Exit(_REFUSED)


@app.command()
def rules(
    context: typer.Context,
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config.file", envvar=_env("CONFIG_FILE"), help="Configuration file; without one the defaults are used."
        ),
    ] = None,
) -> None:
    """Print Prometheus rules with the thresholds, labels and ignored tokens of a configuration."""
    terminal = _terminal(context)
    if config_file is None:
        text = rules_text(Alerting(), Poll())
        terminal.document(lambda stream: stream.write(text))
        return
    settings = _loaded(terminal, config_file)
    for note in settings.rule_warnings:
        terminal.err(f"{config_file}: note: {note}")
    config = settings.config
    text = rules_text(config.alerting, config.poll, settings.label_names, config.policies, config.discover_intervals)
    terminal.document(lambda stream: stream.write(text))


def _window(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _policy(name: str) -> type[Policy]:
    found = next((one for one in POLICIES if one.name == name), None)
    if found is None:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(repr(one.name) for one in POLICIES)}.")
    return found


@app.command()
def tokens(
    context: typer.Context,
    config_file: ConfigFile,
    policies: Annotated[
        list[Any] | None,
        typer.Argument(
            metavar="[POLICY]...",
            help="With --policy: only these policies.",
            show_default=False,
            parser=_policy,
        ),
    ] = None,
    expires_within: Annotated[
        float | None,
        typer.Option(
            "--expires-within",
            parser=_window,
            metavar="DURATION",
            envvar=_env("EXPIRES_WITHIN"),
            help="List only tokens that expire within this time, such as 14d, or have expired, or whose expiry cannot "
            "be read; exit with 1 if there are any.",
        ),
    ] = None,
    *,
    ignore_expired: Annotated[
        bool,
        typer.Option("--ignore-expired", envvar=_env("IGNORE_EXPIRED"), help="Leave out tokens that have expired."),
    ] = False,
    policy: Annotated[
        bool,
        typer.Option(
            "--policy",
            envvar=_env("POLICY"),
            help="List only tokens that break a policy of the configuration, and which; exit with 1 if there are any.",
        ),
    ] = False,
    output: Annotated[
        Output, typer.Option("--output", "-o", envvar=_env("OUTPUT"), help="Form of the list.")
    ] = Output.TABLE,
    log_level: LogLevel = logs.Level.ERROR,
    log_format: LogFormat = logs.Format.LOGFMT,
) -> None:
    """Sweep once and list the tokens, soonest expiry first.

    Exit code 0: nothing falls in the window or breaks a policy. 1: something does. 2: the sweep failed, in part or
    whole, or could not begin.
    """
    terminal = _terminal(context)
    logs.configure(log_level, log_format, terminal.redactor)
    logs.log_uncaught()
    # 1 would say that a token expires.
    settings = _loaded(terminal, config_file, refused=_SWEEP_FAILED)
    rules = settings.config.policies
    _check_policies(terminal, policies or [], rules.configured, wanted=policy)
    clock = SystemClock()
    outcome = _swept(terminal, settings, clock)
    now = clock.now()
    listed = rows(outcome.view, now, within=expires_within, expired=not ignore_expired)
    if policy:
        listed = broken_rows(listed, outcome.view, rules, policies or (), now)
    try:
        terminal.document(lambda stream: write(listed, output, now, stream, audit=policy))
    except OutputError as error:
        _refuse(terminal, f"the list cannot be written: {error}", _SWEEP_FAILED)
    _report_failures(terminal, outcome)
    if (policy or expires_within is not None) and listed:
        raise typer.Exit(_FOUND)


@app.command()
def report(
    context: typer.Context,
    config_file: ConfigFile,
    output: Annotated[
        Form, typer.Option("--output", "-o", envvar=_env("REPORT_OUTPUT"), help="Form of the report.")
    ] = Form.HTML,
    output_file: Annotated[
        Path | None,
        typer.Option("--output-file", envvar=_env("REPORT_OUTPUT_FILE"), help="File to write; stdout without it."),
    ] = None,
    log_level: LogLevel = logs.Level.ERROR,
    log_format: LogFormat = logs.Format.LOGFMT,
) -> None:
    """Sweep once and write the audit on one page: totals, broken policies, what expires when, oldest, most powerful.

    Exit code 0: written. 2: the sweep failed, in part or whole, as the report then says, or it could not be written.
    """
    terminal = _terminal(context)
    logs.configure(log_level, log_format, terminal.redactor)
    logs.log_uncaught()
    settings = _loaded(terminal, config_file, refused=_SWEEP_FAILED)
    clock = SystemClock()
    outcome = _swept(terminal, settings, clock)
    summary = summarize(outcome.view, settings.config.policies, clock.now(), outcome.failures)
    text = render(summary, output)
    try:
        if output_file is None:
            terminal.document(lambda stream: stream.write(text))
        else:
            replace_file(output_file, terminal.redactor.clean(text))
    except OutputError as error:
        _refuse(terminal, f"the report cannot be written: {error}", _SWEEP_FAILED)
    except OSError as error:
        _refuse(terminal, f"the report cannot be written: {output_file}: {error.strerror}", _SWEEP_FAILED)
    _report_failures(terminal, outcome)


def _check_policies(
    terminal: Terminal, names: Sequence[type[Policy]], configured: Sequence[type[Policy]], *, wanted: bool
) -> None:
    """Refuse, before anything is asked for, a check that could find nothing."""
    if names and not wanted:
        raise typer.BadParameter("names of policies go with --policy", param_hint="POLICY")
    if wanted and not configured:
        _refuse(terminal, "--policy: the configuration has no policies; give it a section policies", _SWEEP_FAILED)
    if missing := [name for name in names if name not in configured]:
        _refuse(
            terminal, f"--policy: not in the section policies: {', '.join(one.name for one in missing)}", _SWEEP_FAILED
        )


def _swept(terminal: Terminal, settings: Settings, clock: SystemClock) -> Outcome:
    try:
        return _sweep_with_progress(settings, clock)
    except KeyboardInterrupt:
        terminal.err("interrupted")
        raise typer.Exit(_SWEEP_FAILED) from None


def _report_failures(terminal: Terminal, outcome: Outcome) -> None:
    for failure in outcome.failures:
        terminal.err(failure)
    if outcome.failures:
        raise typer.Exit(_SWEEP_FAILED)


def _sweep_with_progress(settings: Settings, clock: SystemClock) -> Outcome:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("users", total=0)
        # Organizations tell their numbers of users one by one, so the total grows.
        lock = threading.Lock()
        totals: list[int] = []

        def tell(users: int) -> None:
            with lock:
                totals.append(users)
                progress.update(task, total=sum(totals))

        return sweep_once(settings, clock, lambda _: progress.advance(task), tell)


def _loaded(terminal: Terminal, config_file: Path, refused: int = _REFUSED) -> Settings:
    try:
        return load(config_file, os.environ, terminal.redactor)
    except ConfigError as error:
        _refuse(terminal, str(error), refused)


def _secured(terminal: Terminal, file: Path | None) -> WebSecurity:
    try:
        return security_of(file)
    except ConfigError as error:
        _refuse(terminal, str(error))


def _opened(terminal: Terminal, addresses: list[str]) -> list[socket.socket]:
    try:
        return [opened for text in addresses for opened in listen(ListenAddress.parse(text))]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--web.listen-address") from None
    except ListenError as error:
        _refuse(terminal, str(error))


def _refuse(terminal: Terminal, message: str, code: int = _REFUSED) -> NoReturn:
    """Print the sentences of a message, one a line, and end."""
    for line in message.splitlines():
        terminal.err(line)
    raise typer.Exit(code)


def main() -> None:
    """The console script: runs a command and prints whatever ends it, without secrets."""
    terminal = Terminal(Redactor())
    try:
        code = app(standalone_mode=False, obj=terminal)
    except typer.TyperException as error:
        terminal.usage_error(error)
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(_REFUSED)
    except OutputError as error:
        terminal.err(f"the output cannot be written: {error}")
        sys.exit(_REFUSED)
    except Exception as error:  # noqa: BLE001 - a defect: its traceback must not show a secret either
        terminal.crash(error)
        # 1 would say of a check that it has found something.
        sys.exit(_CRASHED)
    sys.exit(code if isinstance(code, int) else 0)
