"""The compose files: valid, hardened, without a port for others, and consistent with what they mount."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import needed
from support.running import ADMIN_TOKEN, ROOT, command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEPLOY = ROOT / "deploy"
FILES = ("compose.yaml", "compose.real.yaml")
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")
WRITTEN = {
    "exporter": "/var/lib/yunxiao-token-exporter",
    "prometheus": "/prometheus",
    "alertmanager": "/alertmanager",
    "grafana": "/var/lib/grafana",
}
"""Where each keeps its data; everything else is read-only."""


def resolved(value: Any, environ: Mapping[str, str]) -> Any:
    """A part of a file with its variables replaced."""
    if isinstance(value, dict):
        return {name: resolved(one, environ) for name, one in value.items()}
    if isinstance(value, list):
        return [resolved(one, environ) for one in value]
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: environ.get(match[1], match[2]), value)
    return value


def content(name: str, **environ: str) -> dict[str, Any]:
    """A compose file under an environment."""
    text = (DEPLOY / name).read_text()
    loaded: dict[str, Any] = resolved(yaml.safe_load(text), environ)
    assert "${" not in str(loaded)
    return loaded


def services(name: str, **environ: str) -> dict[str, Any]:
    found: dict[str, Any] = content(name, **environ)["services"]
    return found


def mounts(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Sources, "" for an anonymous volume, and targets."""
    for mount in service.get("volumes", []):
        source, _, rest = mount.rpartition(":") if mount.count(":") == 1 else mount.partition(":")
        yield (source, rest.removesuffix(":ro")) if ":" in mount else ("", mount)


@pytest.mark.parametrize("name", FILES)
def test_they_have_the_form_of_the_specification(name: str) -> None:
    check = [needed("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(DEPLOY / name)]
    result = subprocess.run(check, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("name", FILES)
def test_every_container_is_hardened(name: str) -> None:
    for service in services(name).values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["pids_limit"] == 1000
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
        assert {"privileged", "cap_add", "network_mode", "pid", "user"} & {*service} == set()


@pytest.mark.parametrize("name", FILES)
def test_only_this_machine_reaches_their_ports(name: str) -> None:
    published = [port for service in services(name).values() for port in service["ports"]]
    assert sorted(published) == [f"127.0.0.1:{port}:{port}" for port in (10097, 3000, 9090, 9093)]


@pytest.mark.parametrize("name", FILES)
def test_only_data_can_be_written(name: str) -> None:
    for service, definition in services(name).items():
        writable = {
            target
            for mount, (_, target) in zip(definition.get("volumes", []), mounts(definition), strict=True)
            if not mount.endswith(":ro")
        }
        demo = (name, service) == ("compose.yaml", "exporter")
        assert writable == (set() if demo else {WRITTEN[service]})


def test_both_have_the_same_releases_and_settings() -> None:
    demo, real = (services(name) for name in FILES)
    for service in ("prometheus", "alertmanager", "grafana"):
        assert demo[service]["image"] == real[service]["image"]
        assert demo[service]["healthcheck"]["test"] == real[service]["healthcheck"]["test"]
    different = {"GF_AUTH_ANONYMOUS_ENABLED", "GF_SECURITY_ADMIN_PASSWORD__FILE"}
    common = [{*one["grafana"]["environment"].items()} for one in (demo, real)]
    assert {name for name, _ in common[0] ^ common[1]} == different


@pytest.mark.parametrize("name", FILES)
def test_releases_are_pinned_and_come_from_a_mirror_if_there_is_one(name: str) -> None:
    images = {service: definition["image"] for service, definition in services(name, REGISTRY="mirror/hub").items()}
    del images["exporter"]
    assert {image.rpartition(":")[0] for image in images.values()} == {
        "mirror/hub/prom/prometheus",
        "mirror/hub/prom/alertmanager",
        "mirror/hub/grafana/grafana",
    }
    for image in images.values():
        assert re.fullmatch(r"v?\d+\.\d+\.\d+", image.rpartition(":")[2])
    assert services(name)["prometheus"]["image"].startswith("docker.io/prom/")


@pytest.mark.parametrize("name", FILES)
def test_grafana_keeps_its_bundled_plugins(name: str) -> None:
    """Grafana 13.2 replaces them at its start, and with a read-only root it loses those that it wants to replace."""
    environment = services(name)["grafana"]["environment"]
    assert environment["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert environment["GF_PLUGINS_PREINSTALL_AUTO_UPDATE"] == "false"


def test_the_image_of_the_demo_is_built_with_the_mirrors_of_the_environment() -> None:
    build = services("compose.yaml")["exporter"]["build"]
    dockerfile = (DEPLOY / build["context"] / "Dockerfile").read_text()
    declared = set(re.findall(r"^ARG (\w+)", dockerfile, re.MULTILINE))
    assert set(build["args"]) == {"REGISTRY", "PYTHON_IMAGE", "PIP_INDEX_URL", "PIP_TRUSTED_HOST"}
    assert set(build["args"]) <= declared


@pytest.mark.parametrize("name", FILES)
def test_mounted_files_exist(name: str) -> None:
    created_by_the_reader = {"./organization", "./secrets/alertmanager"}
    volumes = set(content(name).get("volumes", {}))
    for service in services(name).values():
        for source, _ in mounts(service):
            if source and source not in volumes | created_by_the_reader:
                assert (DEPLOY / source).exists(), source


@pytest.mark.parametrize("name", FILES)
def test_the_parts_know_each_other(name: str, tmp_path: Path) -> None:
    parts = services(name)
    prometheus = {target: source for source, target in mounts(parts["prometheus"])}
    file = DEPLOY / prometheus["/etc/prometheus/prometheus.yml"]
    configured = yaml.safe_load(file.read_text())
    targets = [
        target
        for group in (configured["scrape_configs"][0], configured["alerting"]["alertmanagers"][0])
        for static in group["static_configs"]
        for target in static["targets"]
    ]
    assert targets == ["exporter:10097", "alertmanager:9093"]
    assert {target.partition(":")[0] for target in targets} <= {*parts}
    (rules,) = configured["rule_files"]
    # As in the container, with the file that is mounted there.
    shutil.copy(DEPLOY / prometheus[rules], tmp_path / "rules.yaml")
    (tmp_path / "prometheus.yml").write_text(file.read_text().replace(rules, "rules.yaml"))
    checked = subprocess.run(
        [needed("promtool"), "check", "config", tmp_path / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "1 rule files found" in checked.stdout
    (source,) = yaml.safe_load((ROOT / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"


def test_amtool_accepts_the_configuration_of_alertmanager() -> None:
    file = DEPLOY / "compose/alertmanager.yml"
    checked = subprocess.run([needed("amtool"), "check-config", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_a_real_organization_restarts_with_its_state_and_its_token(tmp_path: Path) -> None:
    compose = content("compose.real.yaml")
    exporter = compose["services"]["exporter"]
    assert {service["restart"] for service in compose["services"].values()} == {"unless-stopped"}
    assert [name for name, service in compose["services"].items() if "profiles" not in service] == ["exporter"]
    assert set(compose["volumes"]) == {"state", "prometheus", "alertmanager", "grafana"}
    assert set(compose["secrets"]) == {"token", "grafana"}
    assert dict(mounts(exporter))["./organization"] == "/etc/yunxiao-token-exporter"

    example = (DEPLOY / "compose/config.yaml").read_text()
    configured = yaml.safe_load(example)
    token_file = configured["organizations"][0]["token_file"]
    assert [f"/run/secrets/{name}" for name in exporter["secrets"]] == [token_file]
    state = dict(mounts(exporter))["state"]
    assert configured["storage"]["path"] == f"{state}/state.db"
    # The configuration is valid once the files of the container are there.
    (tmp_path / "token").write_text(ADMIN_TOKEN)
    text = example.replace(token_file, "token").replace(state, str(tmp_path))
    (tmp_path / "config.yaml").write_text(text)
    checked = command("check-config", "--config.file", str(tmp_path / "config.yaml"))
    assert (checked.returncode, checked.stderr) == (0, "")


def test_alertmanager_finds_what_the_robots_need() -> None:
    alertmanager = services("compose.real.yaml", ALERTMANAGER_CONFIG="./alertmanager/robots.yml")["alertmanager"]
    mounted = {target: DEPLOY / source for source, target in mounts(alertmanager)}
    robots = yaml.safe_load(mounted["/etc/alertmanager/alertmanager.yml"].read_text())
    for template in map(Path, robots["templates"]):
        assert (mounted[str(template.parent)] / template.name).exists(), template
    files = [Path(hook["url_file"]) for receiver in robots["receivers"] for hook in receiver.get("webhook_configs", [])]
    assert {str(file.parent) for file in files} == {"/etc/alertmanager/secrets"}
    assert len(files) == 3
    # Not the folder with the exporter's token.
    assert mounted["/etc/alertmanager/secrets"] == DEPLOY / "secrets/alertmanager"


def test_what_readers_add_is_not_committed() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/deploy/.env", "/deploy/organization/", "/deploy/secrets/"} <= {*ignored}


def test_every_variable_is_explained_at_the_top() -> None:
    for name in FILES:
        text = (DEPLOY / name).read_text()
        top = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
        for variable in {match[1] for match in VARIABLE.finditer(text)}:
            assert re.search(rf"\b{variable}\b", top), f"{name}: {variable}"
