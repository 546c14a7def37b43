"""config-schema: the JSON Schema of the configuration file."""

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from exporter.cli.help import examples
from exporter.cli.options import output_file_option
from exporter.cli.output import Destination
from exporter.cli.terminal import Terminal
from exporter.report.formats import Text

EXAMPLES: Final = examples(
    "config-schema --output-file config.schema.json",
    "# Editors use it if the configuration begins with: # yaml-language-server: $schema=config.schema.json",
)


def config_schema(
    context: typer.Context,
    output_file: Annotated[
        Path | None, output_file_option("CONFIG_SCHEMA_OUTPUT_FILE", "File to write; stdout without it.")
    ] = None,
) -> None:
    """Print the JSON Schema of the configuration file, with which editors complete and check it."""
    from exporter.config.json_schema import json_schema

    text = json.dumps(json_schema(), ensure_ascii=False, indent=2)
    Destination.of(output_file, shared=True).write(Terminal.of(context), Text(lambda stream: stream.write(f"{text}\n")))
