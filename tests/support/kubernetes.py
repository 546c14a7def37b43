"""Renders the Helm chart and the kustomize base, and puts the files of a pod in place as the kubelet would."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/yunxiao-token-exporter"
VALUES = ROOT / "tests/deploy/values"
GOOD = sorted((VALUES / "good").glob("*.yaml"))
BAD = sorted((VALUES / "bad").glob("*.yaml"))
WORKLOADS = ("Deployment", "StatefulSet")

Manifest = dict[str, Any]


def run(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end. It finds no configuration of a cluster."""
    return subprocess.run(
        [str(one) for one in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        cwd=ROOT,
        env={**os.environ, "KUBECONFIG": os.devnull, **variables},
    )


def template(values: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """The result of `helm template` for a file of values."""
    return run("helm", "template", "yte", CHART, "--namespace", "tokens", "--values", values, *flags)


def render(values: Path, *flags: str) -> list[Manifest]:
    """The objects of a release with these values."""
    found = template(values, *flags)
    assert found.returncode == 0, found.stderr
    return documents(found.stdout)


def documents(text: str) -> list[Manifest]:
    """The objects of a stream of YAML."""
    return [one for one in yaml.safe_load_all(text) if one]


def named(manifests: list[Manifest], kind: str, name: str | None = None) -> Manifest:
    """The only object of a kind, or the one with a name."""
    found = [one for one in manifests if one["kind"] == kind and name in {None, one["metadata"]["name"]}]
    assert len(found) == 1, f"{len(found)} objects of kind {kind}"
    return found[0]


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    """All objects of some kinds."""
    return [one for one in manifests if one["kind"] in kinds]


def pods(manifests: list[Manifest]) -> Iterator[tuple[Manifest, dict[str, Any]]]:
    """Every object that makes pods, with the specification of the pods."""
    for one in manifests:
        if one["kind"] in WORKLOADS:
            yield one, one["spec"]["template"]["spec"]
        elif one["kind"] == "Pod":
            yield one, one["spec"]


def container(workload: Manifest) -> dict[str, Any]:
    """The exporter's container."""
    found: list[dict[str, Any]] = workload["spec"]["template"]["spec"]["containers"]
    return next(one for one in found if one["name"] == "exporter")


@dataclass(frozen=True, slots=True)
class Files:
    """The file system of a container: a folder of the machine for each mount.

    Attributes:
        root: the folder that stands for `/`.
    """

    root: Path

    def at(self, path: str) -> Path:
        """A path in the container as a path of this machine."""
        return self.root / path.lstrip("/")

    def mount(self, workload: Manifest, manifests: list[Manifest], existing: Mapping[str, Mapping[str, str]]) -> None:
        """Make every mount of the exporter's container.

        Args:
            workload: what makes the pods.
            manifests: the rendered objects, with ConfigMaps and Secrets.
            existing: the content of Secrets and ConfigMaps that the release does not have, by name.
        """
        specification = workload["spec"]["template"]["spec"]
        volumes = {one["name"]: one for one in specification["volumes"]}
        claims = {one["metadata"]["name"] for one in workload["spec"].get("volumeClaimTemplates", ())}
        for mount in container(workload)["volumeMounts"]:
            folder = self.at(mount["mountPath"])
            folder.mkdir(parents=True)
            if mount["name"] in claims:
                continue
            for path, text in _content(volumes[mount["name"]], manifests, existing):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(self.translated(text), encoding="utf-8")

    def translated(self, text: str) -> str:
        """A text in which paths of the container are paths of this machine."""
        for folder in ("/etc/yunxiao-token-exporter/", "/run/secrets/", "/var/lib/"):
            text = text.replace(folder, f"{self.root}{folder}")
        return text


def _content(
    volume: Manifest, manifests: list[Manifest], existing: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, str]]:
    if "configMap" in volume:
        yield from _data(volume["configMap"]["name"], "ConfigMap", manifests, existing).items()
    elif "secret" in volume:
        yield from _data(volume["secret"]["secretName"], "Secret", manifests, existing).items()
    elif "projected" in volume:
        for source in volume["projected"]["sources"]:
            data = _data(source["secret"]["name"], "Secret", manifests, existing)
            for item in source["secret"]["items"]:
                yield item["path"], data[item["key"]]
    else:
        assert "emptyDir" in volume or "persistentVolumeClaim" in volume, volume


def _data(
    name: str, kind: str, manifests: list[Manifest], existing: Mapping[str, Mapping[str, str]]
) -> Mapping[str, str]:
    for one in manifests:
        if (one["kind"], one["metadata"]["name"]) == (kind, name):
            data: dict[str, str] = one["data"]
            return data if kind == "ConfigMap" else {key: base64.b64decode(text).decode() for key, text in data.items()}
    return existing[name]


def discovery(folder: Path, manifests: list[Manifest]) -> None:
    """Write what a cluster would say it has into kubectl's cache, so that kubectl needs no cluster.

    Args:
        folder: for `--cache-dir`; the address of the server must be http://127.0.0.1:1.
        manifests: the objects whose kinds the cluster knows.
    """
    kinds: dict[str, dict[str, str]] = {}
    for one in manifests:
        plural = one["kind"].lower() + "s"
        kinds.setdefault(one["apiVersion"], {})[one["kind"]] = plural.replace("ys", "ies").replace("sss", "sses")
    server = folder / "discovery/127.0.0.1_1"
    groups = []
    for version, known in kinds.items():
        entry = {"groupVersion": version, "version": version.split("/")[-1]}
        groups.append({"name": version.rpartition("/")[0], "versions": [entry], "preferredVersion": entry})
        resources = [
            {"name": name, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": ["create"]}
            for kind, name in known.items()
        ]
        _write(server / version / "serverresources.json", "APIResourceList", groupVersion=version, resources=resources)
    _write(server / "servergroups.json", "APIGroupList", groups=groups)


def _write(file: Path, kind: str, **content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"kind": kind, "apiVersion": "v1"} | content), encoding="utf-8")
