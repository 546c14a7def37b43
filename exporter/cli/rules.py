"""rules: alert rules with the labels, policies and intervals of a configuration."""

from pathlib import Path
from typing import Annotated

import typer

from exporter.alerts.rule_formats import RuleFormat
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
    form: Annotated[
        RuleFormat,
        typer.Option(
            "--format",
            envvar=env("RULES_FORMAT"),
            help="prometheus: a rule file, also for vmalert; prometheus-rule: an object for the Prometheus operator; "
            "grafana: a provisioning file of alert rules that Grafana evaluates.",
        ),
    ] = RuleFormat.PROMETHEUS,
    datasource: Annotated[
        str,
        typer.Option(
            "--datasource-uid",
            envvar=env("DATASOURCE_UID"),
            help="With --format grafana: the uid of the data source in Grafana.",
        ),
    ] = "prometheus",
    flat: Annotated[  # noqa: ARG001, FBT002 - a flag; it is only a name for what is always so
        bool,
        typer.Option(
            "--flat", envvar=env("FLAT"), help="One rule an alert, which needs no recording rules. Always so."
        ),
    ] = True,
) -> None:
    """Print alert rules with the labels, policies and intervals of a configuration."""
    from exporter.alerts.prometheus_rules import rules as content_of
    from exporter.alerts.rule_formats import rules_as_text
    from exporter.config.alerting import Alerting
    from exporter.config.schema import Poll

    terminal = Terminal.of(context)
    if config_file is None:
        content = content_of(Alerting(), Poll(), external_url=external_url)
    else:
        settings = load_settings(terminal, config_file)
        for warning in settings.rule_warnings:
            terminal.err(f"{config_file}: warning: {warning}")
        config = settings.config
        content = content_of(
            config.alerting,
            config.poll,
            settings.label_names,
            config.policies,
            config.discover_intervals,
            external_url or config.web.external_url,
        )
    text = rules_as_text(content, form, datasource)
    terminal.document(lambda stream: stream.write(text))
