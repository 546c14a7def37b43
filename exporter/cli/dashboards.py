"""dashboards: the Grafana dashboards that are part of the package."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from exporter.cli.exit_codes import REFUSED
from exporter.cli.help import examples
from exporter.cli.options import env
from exporter.cli.setup import load_settings, refuse
from exporter.cli.terminal import Terminal
from exporter.dashboards import Dashboard

if TYPE_CHECKING:
    from exporter.config.schema import Config

_DAY = 86_400
_NAMES = ", ".join(Dashboard)
EXAMPLES: Final = examples(
    "dashboards --output-dir /var/lib/grafana/dashboards", "dashboards overview -c config.yaml > overview.json"
)
_FOR_GRAFANA = 0o644
"""Grafana usually runs as another user; a dashboard has nothing to hide."""


def _values(config: "Config") -> dict[str, str]:
    """The values of the dashboards' variables, by the configuration."""
    thresholds = config.alerting.thresholds
    return {
        "warning_days": f"{thresholds.warning / _DAY:g}",
        "critical_days": f"{thresholds.critical / _DAY:g}",
        "exporter_url": config.web.external_url or "",
    }


def dashboards(
    context: typer.Context,
    name: Annotated[
        Dashboard | None,
        typer.Argument(metavar="NAME", help=f"Only this dashboard: {_NAMES}.", show_default=False),
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config.file",
            "-c",
            metavar="FILE",
            envvar=env("CONFIG_FILE"),
            help="Configuration file whose alert thresholds Overview shows; without one the defaults are used.",
        ),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            envvar=env("DASHBOARDS_OUTPUT_DIR"),
            help="Directory to write NAME.json to; it is created if necessary. Existing files are replaced.",
        ),
    ] = None,
) -> None:
    """Write the Grafana dashboards to a directory, or print one of them.

    Import a file into Grafana as it is, or provision the directory.
    """
    from exporter.report.files import replace_file

    terminal = Terminal.of(context)
    values = _values(load_settings(terminal, config_file).config) if config_file else None
    if output_dir is None:
        if name is None:
            raise typer.BadParameter(
                f"give a directory with --output-dir, or the name of one dashboard to print it: {_NAMES}", context
            )
        text = name.text(values)
        terminal.document(lambda stream: stream.write(text))
        return
    for dashboard in (name,) if name else Dashboard:
        file = output_dir / dashboard.file_name
        try:
            output_dir.mkdir(parents=True, exist_ok=True)
            replace_file(file, dashboard.text(values), _FOR_GRAFANA)
        except OSError as error:
            refuse(terminal, f"the dashboard cannot be written: {file}: {error.strerror}", REFUSED)
        terminal.out(str(file))
