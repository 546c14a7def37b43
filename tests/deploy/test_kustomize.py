"""The kustomize base and its example: the objects of the Helm chart for one organization."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import needed
from support.commands import run as exporter
from support.kubernetes import ROOT, VALUES, Files, Manifest, discovery, documents, named, render, run

from exporter import __version__

BASE = ROOT / "deploy/kustomize/base"
COMPONENT = ROOT / "deploy/kustomize/prometheus-operator"
EXAMPLE = ROOT / "deploy/kustomize/example"


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    for tool in ("helm", "kubectl", "kubernetes-validate"):
        needed(tool)


def built(folder: Path) -> list[Manifest]:
    found = run("kubectl", "kustomize", folder)
    assert (found.stderr, found.returncode) == ("", 0)
    return documents(found.stdout)


@pytest.fixture(scope="module")
def base() -> list[Manifest]:
    return built(BASE)


def comparable(manifests: list[Manifest]) -> dict[str, Any]:
    """The objects by kind, without what only one of the two tools adds."""
    found = {}
    for one in manifests:
        if "helm.sh/hook" in one["metadata"].get("annotations", {}):
            continue
        text = json.dumps(one)
        # The hash of the generated ConfigMap does what the chart's checksum does.
        text = re.sub(r"yunxiao-token-exporter-[0-9a-z]{10}\"", 'yunxiao-token-exporter"', text)
        plain = json.loads(text)
        plain["metadata"].pop("namespace", None)
        template = plain["spec"].get("template", {}) if "spec" in plain else {}
        for metadata in (plain["metadata"], template.get("metadata", {})):
            metadata.get("labels", {}).pop("helm.sh/chart", None)
            metadata.get("labels", {}).pop("app.kubernetes.io/managed-by", None)
            metadata.pop("annotations", None)
        if plain["kind"] == "ConfigMap":
            plain["data"] = {name: yaml.safe_load(content) for name, content in plain["data"].items()}
        assert plain["kind"] not in found
        found[plain["kind"]] = plain
    return found


def test_the_base_renders_what_the_chart_renders(base: list[Manifest]) -> None:
    chart = render(VALUES / "good/one-organization.yaml", "--set", "fullnameOverride=yunxiao-token-exporter")
    text = json.dumps(chart).replace(
        '"app.kubernetes.io/instance": "yte"', '"app.kubernetes.io/instance": "yunxiao-token-exporter"'
    )
    assert comparable(base) == comparable(json.loads(text))
    assert set(comparable(base)) == {"ServiceAccount", "ConfigMap", "Service", "Deployment"}


def test_the_component_for_the_prometheus_operator_renders_what_the_chart_renders(tmp_path: Path) -> None:
    # Kustomize takes relative paths alone.
    parts = [os.path.relpath(one, tmp_path) for one in (BASE, COMPONENT)]
    overlay = {"namespace": "tokens", "resources": parts[:1], "components": parts[1:]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    manifests = built(tmp_path)
    assert {one["metadata"]["namespace"] for one in manifests} == {"tokens"}
    monitor = named(manifests, "ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= named(manifests, "Service")["metadata"]["labels"].items()

    flags = ("fullnameOverride=yunxiao-token-exporter", "serviceMonitor.enabled=true", "prometheusRule.enabled=true")
    chart = render(VALUES / "good/one-organization.yaml", "--set", ",".join(flags))
    expected = named(chart, "ServiceMonitor")["spec"]
    # Without a namespace, a monitor is about its own.
    assert expected.pop("namespaceSelector") == {"matchNames": ["tokens"]}
    expected["selector"]["matchLabels"]["app.kubernetes.io/instance"] = "yunxiao-token-exporter"
    assert monitor == expected
    assert named(manifests, "PrometheusRule")["spec"] == named(chart, "PrometheusRule")["spec"]


def test_a_changed_configuration_restarts_the_pod(base: list[Manifest]) -> None:
    name = named(base, "ConfigMap")["metadata"]["name"]
    assert re.fullmatch(r"yunxiao-token-exporter-[0-9a-z]{10}", name)
    volumes = named(base, "Deployment")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "config", "configMap": {"name": name}} in volumes


def test_the_image_has_the_version_of_the_exporter(base: list[Manifest]) -> None:
    (container,) = named(base, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"ghcr.io/yunxiao-token-exporter/yunxiao-token-exporter:{__version__}"
    assert named(base, "Deployment")["metadata"]["labels"]["app.kubernetes.io/version"] == __version__


@pytest.mark.parametrize("folder", [BASE, EXAMPLE], ids=["base", "example"])
def test_objects_are_valid_and_kubectl_would_create_them(folder: Path, tmp_path: Path) -> None:
    manifests = built(folder)
    file = tmp_path / "objects.yaml"
    file.write_text(yaml.safe_dump_all(manifests))
    found = run("kubernetes-validate", "--strict", "--kubernetes-version", "1.35", file)
    assert found.returncode == 0, found.stdout + found.stderr
    discovery(tmp_path / "cache", manifests)
    found = run(
        *("kubectl", "--cache-dir", tmp_path / "cache", "--server", "http://127.0.0.1:1"),
        *("create", "--dry-run=client", "--validate=false", "--filename", file),
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("created (dry run)") == len(manifests)


def test_check_config_accepts_what_the_pod_of_the_example_finds(tmp_path: Path) -> None:
    manifests = built(EXAMPLE)
    assert {one["metadata"]["namespace"] for one in manifests} == {"monitoring"}
    files = Files(tmp_path)
    files.mount(named(manifests, "Deployment"), manifests, {})
    found = exporter("check-config", "--config.file", str(files.at("/etc/yunxiao-token-exporter/config.yaml")))
    assert found.returncode == 0, found.stderr
