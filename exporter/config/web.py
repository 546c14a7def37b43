"""The section `web`: the address under which people reach the exporter."""

from __future__ import annotations

from pydantic import Field

from exporter.common.fields import ExternalUrl, PageUrl, Section


class Web(Section):
    """How people reach the exporter's pages."""

    external_url: ExternalUrl | None = Field(
        None,
        description=(
            "URL under which people open the exporter, such as `https://tokens.example.com`, with the path if a proxy "
            "serves it below one. With it, alerts link to the exporter's pages about a token or user and to the "
            "runbooks that it serves itself. Its path is the default of `--web.route-prefix`, which is read once at "
            "startup. `--web.external-url` overrides it."
        ),
    )
    grafana_url: PageUrl | None = Field(
        None,
        description=(
            "URL of Grafana, such as `https://grafana.example.com`. With it, the exporter's pages link to the "
            "dashboard `Yunxiao tokens / Overview`; a user's page links to it with that user selected."
        ),
    )
