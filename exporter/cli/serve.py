"""serve and demo: the daemon, for configured organizations or a simulated enterprise."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from exporter.cli.options import (
    DEFAULT_ADDRESS,
    ConfigFile,
    ExternalUrl,
    ListenAddresses,
    LogFormat,
    LogLevel,
    WebConfigFile,
    env,
)
from exporter.cli.setup import load_settings, refuse, set_up_logs, web_security
from exporter.cli.terminal import Terminal
from exporter.cluster.shard import WHOLE, Shard, parse_shard
from exporter.common.durations import parse_duration
from exporter.common.log_options import Format, Level

if TYPE_CHECKING:
    import socket

    from exporter.config.settings import Settings


_SHORTEST_INTERVAL = 1.0


def _shard(text: str) -> Shard:
    try:
        return parse_shard(text, os.environ)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _interval(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if seconds < _SHORTEST_INTERVAL:
        raise typer.BadParameter(f"{text} is too short; write at least 1s")
    return seconds


def serve(
    context: typer.Context,
    config_file: ConfigFile,
    listen_addresses: ListenAddresses = [DEFAULT_ADDRESS],  # noqa: B006 - Typer copies it
    web_config_file: WebConfigFile = None,
    *,
    systemd_socket: Annotated[
        bool,
        typer.Option(
            "--web.systemd-socket",
            envvar=env("WEB_SYSTEMD_SOCKET"),
            help="Refuse to start unless systemd passes on sockets. They are used without this flag too, in place of "
            "the default address.",
        ),
    ] = False,
    open_health: Annotated[
        bool,
        typer.Option(
            "--web.open-health",
            envvar=env("WEB_OPEN_HEALTH"),
            help="Let /-/healthy and /-/ready answer without authentication, with their status alone.",
        ),
    ] = False,
    external_url: ExternalUrl = None,
    route_prefix: Annotated[
        str | None,
        typer.Option(
            "--web.route-prefix",
            metavar="PATH",
            envvar=env("WEB_ROUTE_PREFIX"),
            help="Path below which everything is served, such as /tokens. Default: the path of the external URL. A "
            "proxy that removes that path needs --web.route-prefix=/.",
        ),
    ] = None,
    shard: Annotated[
        Shard | None,
        typer.Option(
            "--shard",
            parser=_shard,
            metavar="K/N",
            envvar=env("SHARD"),
            help="Watch one of N parts of the users, K from 0 to N-1, by a stable hash of the user id. auto/N takes K "
            "from the end of the pod's name (POD_NAME, else HOSTNAME), as in a StatefulSet.",
        ),
    ] = None,
    enable_lifecycle: Annotated[
        bool,
        typer.Option(
            "--web.enable-lifecycle",
            envvar=env("WEB_ENABLE_LIFECYCLE"),
            help="Allow POST /-/reload to load the configuration again.",
        ),
    ] = False,
    auto_reload: Annotated[
        bool,
        typer.Option(
            "--config.auto-reload",
            envvar=env("CONFIG_AUTO_RELOAD"),
            help="Reload when the content of the configuration has changed.",
        ),
    ] = False,
    auto_reload_interval: Annotated[
        float,
        typer.Option(
            "--config.auto-reload-interval",
            parser=_interval,
            metavar="DURATION",
            envvar=env("CONFIG_AUTO_RELOAD_INTERVAL"),
            help="Time between two checks for changes with --config.auto-reload, at least 1s.",
        ),
    ] = "30s",  # type: ignore[assignment]  # Typer parses it
    log_level: LogLevel = Level.INFO,
    log_format: LogFormat = Format.LOGFMT,
) -> None:
    """Watch the configured organizations and answer scrapes, until SIGTERM or SIGINT. SIGHUP reloads."""
    from dataclasses import replace

    from exporter.app.process import Signals, run

    # Before the rest is imported, so that no signal is lost.
    signals = Signals()
    from exporter.app.daemon import Daemon
    from exporter.app.garbage import freeze_loaded
    from exporter.app.options import Options
    from exporter.app.service_manager import service_manager
    from exporter.common.clock import SystemClock
    from exporter.config.load import load

    terminal = Terminal.of(context)
    set_up_logs(terminal, log_level, log_format)
    settings = load_settings(terminal, config_file).with_external_url(external_url)
    settings = replace(settings, route_prefix=_route_prefix(route_prefix, settings.config.web.external_url))

    def load_again() -> "Settings":
        return load(config_file, os.environ, terminal.redactor).with_external_url(external_url)

    security = web_security(terminal, web_config_file, open_health=open_health)
    freeze_loaded()
    sockets = _listening(context, terminal, listen_addresses, systemd=systemd_socket)
    clock = SystemClock()
    options = Options(
        lifecycle=enable_lifecycle,
        shard=shard or WHOLE,
        auto_reload=auto_reload_interval if auto_reload else None,
        manager=service_manager(os.getpid(), clock),
    )
    daemon = Daemon(settings, load_again, sockets, security, clock, options)
    # Or its users would stay in memory after a reload has replaced them.
    del settings
    run(daemon, signals)


def demo(
    context: typer.Context,
    users: Annotated[
        int, typer.Option("--users", min=1, max=100_000, envvar=env("DEMO_USERS"), help="Simulated users.")
    ] = 25,
    seed: Annotated[
        int, typer.Option("--seed", envvar=env("DEMO_SEED"), help="The same seed makes the same users.")
    ] = 1,
    listen_addresses: ListenAddresses = [DEFAULT_ADDRESS],  # noqa: B006 - Typer copies it
    *,
    lively: Annotated[
        bool,
        typer.Option(
            "--lively/--no-lively",
            envvar=env("DEMO_LIVELY"),
            help="Whether tokens are created, renewed, changed and deleted, and users join, leave and fail.",
        ),
    ] = True,
    log_level: LogLevel = Level.INFO,
    log_format: LogFormat = Format.LOGFMT,
) -> None:
    """Run the same daemon against a simulated enterprise on loopback: no account needed, nothing leaves the machine."""
    from exporter.app.process import Signals, run

    # Before the rest is imported, so that no signal is lost.
    signals = Signals()
    from exporter.app.daemon import Daemon
    from exporter.app.demo import demo_settings, demo_simulator
    from exporter.app.options import Options
    from exporter.app.service_manager import service_manager
    from exporter.common.clock import SystemClock
    from exporter.web.listen import address_of
    from exporter.web.security import WebSecurity
    from exporter.web.start_line import addresses_of, exposed

    terminal = Terminal.of(context)
    set_up_logs(terminal, log_level, log_format)
    clock = SystemClock()
    sockets = _listening(context, terminal, listen_addresses)
    with demo_simulator(users, seed, clock, lively=lively) as simulator:
        settings = demo_settings(simulator, terminal.redactor)
        options = Options(manager=service_manager(os.getpid(), clock))
        daemon = Daemon(settings, lambda: settings, sockets, WebSecurity(public=True), clock, options)
        terminal.out(f"Simulated enterprise with {users} users: {simulator.url}")
        terminal.out(f"Exporter: {address_of(sockets[0])}/  (metrics at {address_of(sockets[0])}/metrics, Ctrl-C ends)")
        if exposed(addresses_of(sockets)):
            terminal.out(
                "It listens on all interfaces: anyone who can reach this machine can read the simulated tokens. "
                "For this machine only, add --web.listen-address 127.0.0.1:10097."
            )
        run(daemon, signals)


def _route_prefix(prefix: str | None, external_url: str | None) -> str:
    from exporter.web.route_prefix import prefix_of

    try:
        return prefix_of(prefix, external_url)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--web.route-prefix") from None


def _listening(
    context: typer.Context, terminal: Terminal, addresses: list[str], *, systemd: bool = False
) -> "list[socket.socket]":
    from exporter.web.listen import ListenError, open_listeners

    # A constant of click, which Typer brings along under another name.
    explicit = getattr(context.get_parameter_source("listen_addresses"), "name", "") != "DEFAULT"
    try:
        return open_listeners(addresses, os.environ, explicit=explicit, systemd=systemd)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--web.listen-address") from None
    except ListenError as error:
        refuse(terminal, str(error))
