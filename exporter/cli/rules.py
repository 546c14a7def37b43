"""rules: Prometheus rules with the thresholds of a configuration."""

from pathlib import Path
from typing import Annotated

import typer

from exporter.cli.options import ExternalUrl, env
from exporter.cli.setup import load_settings
from exporter.cli.terminal import Terminal


def rules(
    context: typer.Context,
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config.file",
            "-c",
            envvar=env("CONFIG_FILE"),
            help="Configuration file; without one the defaults are used.",
        ),
    ] = None,
    external_url: ExternalUrl = None,
) -> None:
    """Print Prometheus rules with the thresholds, labels and silenced tokens of a configuration."""
    from exporter.alerts.prometheus_rules import rules_text
    from exporter.config.alerting import Alerting
    from exporter.config.schema import Poll

    terminal = Terminal.of(context)
    if config_file is None:
        text = rules_text(Alerting(), Poll(), external_url=external_url)
        terminal.document(lambda stream: stream.write(text))
        return
    settings = load_settings(terminal, config_file)
    for warning in settings.rule_warnings:
        terminal.err(f"{config_file}: warning: {warning}")
    config = settings.config
    text = rules_text(
        config.alerting,
        config.poll,
        settings.label_names,
        config.policies,
        config.discover_intervals,
        external_url or config.web.external_url,
    )
    terminal.document(lambda stream: stream.write(text))
