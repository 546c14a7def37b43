"""Debian's Prometheus on a free port, and its query API."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

import requests

from support.running import Running, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Series = frozenset[tuple[str, str]]


class Prometheus(Running):
    """Scrapes a target every second."""

    def __init__(self, executable: str, folder: Path, target: str, *, more: str = "") -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = folder / "prometheus.yml"
        config.write_text(
            f"""global: {{scrape_interval: 1s, evaluation_interval: 1s}}
scrape_configs:
  - job_name: yunxiao
    static_configs: [{{targets: ["{target}"]}}]
{more}
"""
        )
        super().__init__(
            [
                executable,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--web.enable-lifecycle",
                "--log.level=warn",
            ]
        )

    def ready(self) -> Self:
        """Wait for the first successful scrape."""
        wait_until(lambda: list(self.query("up").values()) == [1.0], 20)
        return self

    def query(self, expression: str) -> Mapping[Series, float]:
        """The value of each series of an instant query; empty while the server is not up."""
        try:
            answer = requests.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=10)
        except requests.ConnectionError:
            assert self.process.poll() is None, self.output
            return {}
        if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            return {}  # it listens, but reads its storage yet
        data: dict[str, Any] = answer.json()
        assert data["status"] == "success", data
        return {frozenset(one["metric"].items()): float(one["value"][1]) for one in data["data"]["result"]}

    def value(self, expression: str) -> float | None:
        """The value of an expression that gives one series; None if it gives none."""
        values = list(self.query(expression).values())
        assert len(values) <= 1, values
        return values[0] if values else None
