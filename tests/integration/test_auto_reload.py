"""--config.auto-reload with a real daemon, and files as Kubernetes mounts them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from support.running import ADMIN_TOKEN, Exporter, a_record, a_simulator, command, wait_until, write_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.platform.yunxiao.simulator.server import Simulator

FOLLOW = ("--config.auto-reload", "--config.auto-reload-interval", "1s")
USERS = 'yunxiao_users{organization="acme"}'
IN_EFFECT = "yunxiao_exporter_config_last_reload_successful"


@pytest.fixture
def platform() -> Iterator[Simulator]:
    with a_simulator({user: [a_record(f"pt-{user}")] for user in "ABC"}) as simulator:
        yield simulator


class Volume:
    """A ConfigMap as kubelet mounts it: files are links into a folder that is replaced as a whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()
        self._version = 0

    def publish(self, files: dict[str, str]) -> None:
        self._version += 1
        target = self.folder / f"..version_{self._version}"
        target.mkdir()
        for name, text in files.items():
            (target / name).write_text(text)
        (self.folder / "..new").symlink_to(target.name)
        (self.folder / "..new").replace(self.folder / "..data")
        for name in files:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")


def config_text(tmp_path: Path, platform: Simulator, users: str, **changes: object) -> str:
    """The text of a configuration whose token is outside of the volume."""
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return write_config(scratch, platform, users, **({"token_file": str(scratch / "token")} | changes)).read_text()


def test_a_mounted_config_map_is_followed(platform: Simulator, tmp_path: Path) -> None:
    volume, late = Volume(tmp_path / "volume"), tmp_path / "late"

    def publish(users: str, **changes: object) -> None:
        volume.publish({"config.yaml": config_text(tmp_path, platform, users, **changes)})

    publish("A")
    with Exporter(volume.folder / "config.yaml", *FOLLOW).ready() as exporter:

        def samples() -> tuple[float, float]:
            found = exporter.samples()
            return found[USERS], found[IN_EFFECT]

        assert samples() == (1, 1)
        publish("AB")
        wait_until(lambda: samples() == (2, 1))
        assert f"file={volume.folder / 'config.yaml'}" in exporter.output
        # The same content in another folder is no change.
        publish("AB")
        # A secret that is mounted after the file that names it.
        publish("ABC", token_file=str(late))
        wait_until(lambda: samples() == (2, 0))
        time.sleep(1.5)  # in which it is not refused again
        late.write_text(ADMIN_TOKEN)
        wait_until(lambda: samples() == (3, 1))
        assert exporter.output.count("configuration reloaded") == 2
        assert exporter.output.count("reload refused") == 1


@pytest.mark.parametrize("interval", ["999ms", "soon"])
def test_an_interval_that_is_too_short_or_no_duration_is_refused(interval: str) -> None:
    refused = command("serve", "--config.auto-reload-interval", interval)
    assert refused.returncode == 2
    assert "'--config.auto-reload-interval'" in refused.stderr
    assert interval in refused.stderr
