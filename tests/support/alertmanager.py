"""Debian's Alertmanager on a free port, and its API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

import requests

from support.running import Running, free_port, keep, wait_until

if TYPE_CHECKING:
    from pathlib import Path


class AlertmanagerServer(Running):
    """Takes alerts and tells which are active."""

    def __init__(self, executable: str, folder: Path, port: int = 0) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = folder / "alertmanager.yml"
        config.write_text("route: {receiver: nobody, group_wait: 1s}\nreceivers: [{name: nobody}]\n")
        super().__init__(
            [
                executable,
                f"--config.file={config}",
                f"--storage.path={folder / 'alertmanager'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--cluster.listen-address=",
                "--log.level=warn",
            ]
        )

    def ready(self) -> Self:
        wait_until(lambda: self.alerts() is not None)
        return self

    def alerts(self) -> list[dict[str, Any]] | None:
        """The active alerts; None while the server is not up."""
        try:
            answer = requests.get(f"{self.url}/api/v2/alerts", timeout=5)
        except requests.ConnectionError:
            assert self.process.poll() is None, self.output
            return None
        keep("alertmanager", answer.content)
        alerts: list[dict[str, Any]] = answer.json()
        return alerts

    def names(self) -> list[str]:
        """The names of the active alerts about tokens, sorted."""
        return sorted(
            alert["labels"]["alertname"]
            for alert in self.alerts() or []
            if alert["labels"]["alertname"].startswith("YunxiaoToken")
        )

    def transcript(self, stage: str) -> None:
        """Print what is active, for whoever wants to see it: pytest -s."""
        print(f"--- {stage}: GET /api/v2/alerts")
        for alert in self.alerts() or []:
            shown = {key: alert[key] for key in ("labels", "annotations", "startsAt", "endsAt")}
            shown["annotations"].pop("runbook_url", None)
            print(json.dumps(shown, ensure_ascii=False))
