"""The Helm chart: every file of values renders to valid objects that the exporter can run with, or is refused."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import re
import shutil
import signal
import sys
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
import trustme
import typer
import yaml
from conftest import needed
from support.commands import run as exporter
from support.kubernetes import (
    BAD,
    CHART,
    GOOD,
    ROOT,
    VALUES,
    WORKLOADS,
    Files,
    Manifest,
    container,
    discovery,
    documents,
    named,
    of_kind,
    pods,
    render,
    run,
    template,
)
from support.running import ADMIN_TOKEN, Running, a_simulator, free_port, wait_until

from exporter import __version__
from exporter.cli import app
from exporter.cluster.shard import parse_shard

SELECTOR = {"app.kubernetes.io/name": "yunxiao-token-exporter", "app.kubernetes.io/instance": "yte"}


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    for tool in ("helm", "kubectl", "kubernetes-validate"):
        needed(tool)


@pytest.fixture(scope="module")
def certificate() -> str:
    return trustme.CA().cert_pem.bytes().decode()


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory, certificate: str) -> dict[str, list[Manifest]]:
    """The objects of each good file of values, rendered once."""
    folder = tmp_path_factory.mktemp("values")
    found = {}
    for values in GOOD:
        text = values.read_text(encoding="utf-8")
        file = folder / values.name
        file.write_text(text.replace("@CERTIFICATE@", certificate.replace("\n", "\n    ")), encoding="utf-8")
        found[values.stem] = render(file)
    return found


def good(name: str) -> Path:
    return VALUES / f"good/{name}.yaml"


def names(values: list[Path]) -> list[str]:
    return [one.stem for one in values]


def test_there_are_value_files_of_both_kinds() -> None:
    assert len(GOOD) >= 12
    assert len(BAD) >= 12


# What others check


def test_lint_finds_nothing() -> None:
    found = run("helm", "lint", "--strict", CHART, *(flag for one in GOOD for flag in ("--values", one)))
    assert "0 chart(s) failed" in found.stdout, found.stdout
    assert "[WARNING]" not in found.stdout
    assert "[ERROR]" not in found.stdout


def test_objects_are_valid_for_kubernetes(releases: dict[str, list[Manifest]], tmp_path: Path) -> None:
    # Objects that several releases have are checked once.
    objects = {yaml.safe_dump(one): one for manifests in releases.values() for one in manifests}
    built_in = [one for one in objects.values() if "coreos" not in one["apiVersion"]]
    assert {"Deployment", "StatefulSet", "NetworkPolicy", "Ingress"} <= {one["kind"] for one in built_in}
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all(built_in))
    found = run("kubernetes-validate", "--strict", "--kubernetes-version", "1.35", tmp_path / "objects.yaml")
    assert found.returncode == 0, found.stdout + found.stderr
    assert (found.stdout + found.stderr).count(" passed for resource ") == len(built_in)


def test_the_check_of_objects_finds_an_unknown_key(releases: dict[str, list[Manifest]], tmp_path: Path) -> None:
    workload = named(releases["one-organization"], "Deployment")
    text = yaml.safe_dump(workload).replace("failureThreshold", "failureTreshold")
    (tmp_path / "bad.yaml").write_text(text)
    found = run("kubernetes-validate", "--strict", "--kubernetes-version", "1.35", tmp_path / "bad.yaml")
    assert found.returncode != 0
    assert "failureTreshold" in found.stdout + found.stderr


@pytest.fixture(scope="module")
def operator_schemas() -> dict[str, Any]:
    python = Path(needed("kubernetes-validate")).with_name("python")
    found = run(python, ROOT / "scripts/operator_schemas.py", PYTHONPATH="")
    assert found.returncode == 0, found.stderr
    schemas: dict[str, Any] = json.loads(found.stdout)
    return schemas


def test_monitors_and_rules_are_valid_for_the_prometheus_operator(
    releases: dict[str, list[Manifest]], operator_schemas: dict[str, Any]
) -> None:
    checked = [one for manifests in releases.values() for one in of_kind(manifests, *operator_schemas)]
    assert {one["kind"] for one in checked} == {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
    for one in checked:
        assert one["apiVersion"] == "monitoring.coreos.com/v1"
        jsonschema.validate(one, operator_schemas[one["kind"]])


def test_the_check_of_monitors_finds_an_unknown_key(
    releases: dict[str, list[Manifest]], operator_schemas: dict[str, Any]
) -> None:
    monitor = named(releases["monitoring"], "ServiceMonitor")
    endpoint = monitor["spec"]["endpoints"][0] | {"intervall": "1m"}
    with pytest.raises(jsonschema.ValidationError, match="intervall"):
        jsonschema.validate(
            monitor | {"spec": monitor["spec"] | {"endpoints": [endpoint]}}, operator_schemas["ServiceMonitor"]
        )


@pytest.mark.parametrize("name", names(GOOD))
def test_kubectl_would_create_the_objects(name: str, releases: dict[str, list[Manifest]], tmp_path: Path) -> None:
    manifests = releases[name]
    discovery(tmp_path / "cache", manifests)
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all(manifests))
    found = run(
        "kubectl",
        *("--cache-dir", tmp_path / "cache", "--server", "http://127.0.0.1:1", "create", "--dry-run=client"),
        *("--validate=false", "--filename", tmp_path / "objects.yaml"),
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("created (dry run)") == len(manifests)


@pytest.mark.parametrize("values", BAD, ids=names(BAD))
def test_bad_values_are_refused_with_the_reason(values: Path) -> None:
    expected = values.read_text(encoding="utf-8").splitlines()[0].removeprefix("# refused: ")
    assert len(expected) >= 10
    found = template(values)
    assert found.returncode != 0
    assert expected in found.stderr


# What the exporter says to what is rendered


def existing(workload: Manifest, certificate: str) -> dict[str, dict[str, str]]:
    """Secrets and ConfigMaps that a cluster has before the release, with every key that a pod names."""
    issued = trustme.CA().issue_cert("tokens.example.com")
    key, chain = issued.private_key_pem.bytes().decode(), issued.cert_chain_pems[0].bytes().decode()
    found: dict[str, dict[str, str]] = {
        "tokens-tls": {"tls.crt": chain, "tls.key": key, "ca.crt": certificate},
        "web": {
            "config.yml": "tls_server_config: {cert_file: c.pem, key_file: k.pem}\n",
            "c.pem": chain,
            "k.pem": key,
        },
        "my-config": {
            "config.yaml": "organizations:\n"
            "  - {name: a, endpoint: 'https://a.example.com', token_env: T, users: {static: [{id: u}]}}\n"
        },
        "alertmanager": {"password": "hunter2"},
    }
    for volume in workload["spec"]["template"]["spec"]["volumes"]:
        for source in volume.get("projected", {}).get("sources", ()):
            secret = found.setdefault(source["secret"]["name"], {})
            for item in source["secret"]["items"]:
                secret[item["key"]] = f"pt-fake_{item['key']}\n"
    return found


@pytest.mark.parametrize("name", [one for one in names(GOOD) if one != "demo"])
def test_check_config_accepts_what_a_pod_finds(
    name: str,
    releases: dict[str, list[Manifest]],
    certificate: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manifests = releases[name]
    for one in container(of_kind(manifests, *WORKLOADS)[0]).get("env", ()):
        monkeypatch.setenv(one["name"], one.get("value", "pt-fake_of-the-environment"))
    monkeypatch.setenv("T", "pt-fake_of-the-environment")
    for number, workload in enumerate(of_kind(manifests, *WORKLOADS)):
        files = Files(tmp_path / str(number))
        files.mount(workload, manifests, existing(workload, certificate))
        flags = dict(flag.partition("=")[::2] for flag in container(workload)["args"] if flag.startswith("--"))
        command = ["check-config", "--config.file", str(files.at(flags["--config.file"]))]
        if "--web.config.file" in flags:
            command += ["--web.config.file", str(files.at(flags["--web.config.file"]))]
        found = exporter(*command)
        assert found.returncode == 0, found.stderr


def test_check_config_finds_a_token_that_is_not_mounted(
    releases: dict[str, list[Manifest]], certificate: str, tmp_path: Path
) -> None:
    manifests = releases["one-organization"]
    workload = named(manifests, "Deployment")
    files = Files(tmp_path)
    files.mount(workload, manifests, existing(workload, certificate))
    shutil.rmtree(files.at("/run/secrets"))
    found = exporter("check-config", "--config.file", str(files.at("/etc/yunxiao-token-exporter/config.yaml")))
    assert found.returncode == 1
    assert "organizations/acme/token" in found.stderr


@pytest.mark.parametrize("name", names(GOOD))
def test_arguments_are_flags_of_the_command(name: str, releases: dict[str, list[Manifest]]) -> None:
    commands: Any = typer.main.get_command(app)
    for workload in of_kind(releases[name], *WORKLOADS):
        command, *arguments = container(workload)["args"]
        known = {flag: one for one in commands.commands[command].params for flag in (*one.opts, *one.secondary_opts)}
        assert len(arguments) >= 2
        for argument in arguments:
            flag, assigned, _ = argument.partition("=")
            assert flag in known, f"{command} has no {flag}"
            assert known[flag].is_flag != bool(assigned), f"{command} {flag}"


def test_values_become_flags(releases: dict[str, list[Manifest]]) -> None:
    def arguments(name: str) -> list[str]:
        found: list[str] = container(of_kind(releases[name], *WORKLOADS)[0])["args"]
        return found

    config = "--config.file=/etc/yunxiao-token-exporter/config.yaml"
    logs = ["--log.level=info", "--log.format=logfmt"]
    web = "--web.config.file=/run/secrets/yunxiao-token-exporter/web"
    assert arguments("demo") == ["demo", *logs, "--users=100", "--no-lively"]
    assert arguments("one-organization") == ["serve", config, *logs]
    assert arguments("intranet") == ["serve", config, "--log.level=debug", "--log.format=json"]
    assert arguments("replicas") == ["serve", config, "--config.auto-reload", *logs]
    assert arguments("shards-and-replicas") == ["serve", config, "--shard=auto/3", *logs]
    assert arguments("web-tls") == ["serve", config, f"{web}/web.yml", "--web.open-health", *logs]
    assert arguments("web-existing-secret") == ["serve", config, f"{web}/config.yml", *logs]
    assert "--web.enable-lifecycle" in arguments("web-client-certificates")
    assert arguments("existing-config-map") == ["serve", config, "--web.route-prefix=/tokens", *logs]


def test_every_pod_of_a_stateful_set_has_a_shard(releases: dict[str, list[Manifest]]) -> None:
    sets = of_kind(releases["shards-and-replicas"], "StatefulSet")
    name = "a-name-that-is-cut-at-48-characters-for-kubernet"
    assert [one["metadata"]["name"] for one in sets] == [name, f"{name}-r1"]
    for one in sets:
        variables = {entry["name"]: entry for entry in container(one)["env"]}
        assert variables["POD_NAME"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
        (shard,) = [flag for flag in container(one)["args"] if flag.startswith("--shard=")]
        numbers = [
            parse_shard(shard.removeprefix("--shard="), {"POD_NAME": f"{one['metadata']['name']}-{ordinal}"}).number
            for ordinal in range(one["spec"]["replicas"])
        ]
        assert numbers == [0, 1, 2]


def test_replicas_know_how_many_they_are(releases: dict[str, list[Manifest]]) -> None:
    for name, replicas in (("replicas", 2), ("replicas-with-storage", 3), ("shards-and-replicas", 2)):
        config_map = next(one for one in of_kind(releases[name], "ConfigMap"))
        assert yaml.safe_load(config_map["data"]["config.yaml"])["redis"]["replicas"] == replicas


def test_values_reach_the_configuration_as_they_were_written(releases: dict[str, list[Manifest]]) -> None:
    config = yaml.safe_load(named(releases["several-organizations"], "ConfigMap")["data"]["config.yaml"])
    assert config["metrics"]["max_series"] == 2_000_000
    assert config["alerting"]["labels"] == {"team": "platform", "on": "yes"}
    acme, beta, gamma = config["organizations"]
    folder = "/run/secrets/yunxiao-token-exporter/credentials/organizations"
    assert acme["token_files"] == [f"{folder}/acme/current", f"{folder}/acme/next"]
    assert beta["token_file"] == f"{folder}/beta/beta"
    assert beta["organization_id"] == "0012"
    assert gamma["token_env"] == "GAMMA_TOKEN"
    assert gamma["users"]["static"] == [{"id": "12:30:45"}]
    assert not {"existingSecret", "token"} & {key for one in config["organizations"] for key in one}


def test_secrets_are_in_secrets_only(releases: dict[str, list[Manifest]]) -> None:
    for name in ("token-in-values", "shards-and-replicas", "web-tls"):
        for one in releases[name]:
            shown = json.dumps(one)
            for secret in ("pt-first_of-the-values", "pt-second_of-the-values", "hunter2-of-redis", "$2b$04$"):
                assert secret not in shown, f"{one['kind']} contains {secret}"
    # The token in base64.
    assert (
        named(releases["token-in-values"], "Secret")["data"]["organizations.two"] == "cHQtc2Vjb25kX29mLXRoZS12YWx1ZXM="
    )


# Security


@pytest.mark.parametrize("name", names(GOOD))
def test_pods_meet_the_restricted_pod_security_standard(name: str, releases: dict[str, list[Manifest]]) -> None:
    for _, pod in pods(releases[name]):
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert context.get("runAsUser") != 0
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        for one in [*pod["containers"], *pod.get("initContainers", ())]:
            own = one["securityContext"]
            assert own["allowPrivilegeEscalation"] is False
            assert own["readOnlyRootFilesystem"] is True
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert "privileged" not in own
        for volume in pod.get("volumes", ()):
            assert set(volume) - {"name"} <= {"configMap", "emptyDir", "secret", "projected", "persistentVolumeClaim"}


def test_credentials_are_readable_by_the_group_of_the_pod_alone(releases: dict[str, list[Manifest]]) -> None:
    modes = {
        (volume.get("projected") or volume["secret"])["defaultMode"]
        for name in ("one-organization", "web-tls", "web-existing-secret")
        for _, pod in pods(releases[name])
        for volume in pod.get("volumes", ())
        if "projected" in volume or "secret" in volume
    }
    assert modes == {0o440}


def test_openshift_chooses_user_and_groups(releases: dict[str, list[Manifest]]) -> None:
    for _, pod in pods(releases["openshift"]):
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


# Names, labels, selectors


@pytest.mark.parametrize("name", names(GOOD))
def test_objects_have_the_recommended_labels(name: str, releases: dict[str, list[Manifest]]) -> None:
    for one in releases[name]:
        if one["metadata"]["name"] in {"yte-extra", "yte-yunxiao-token-exporter-text"}:
            continue  # the user's own
        labels = one["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "yte"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["app.kubernetes.io/version"] == __version__
        assert labels["helm.sh/chart"] == f"yunxiao-token-exporter-{__version__}"
        assert all(len(value) <= 63 for value in labels.values())


@pytest.mark.parametrize("name", names(GOOD))
def test_selectors_match_the_pods_and_never_change(name: str, releases: dict[str, list[Manifest]]) -> None:
    for one in of_kind(releases[name], *WORKLOADS):
        selector = one["spec"]["selector"]["matchLabels"]
        assert selector.items() <= one["spec"]["template"]["metadata"]["labels"].items()
        assert set(selector) - {"yunxiao-token-exporter/replica"} == set(SELECTOR)
        for service in of_kind(releases[name], "Service"):
            assert service["spec"]["selector"].items() <= one["spec"]["template"]["metadata"]["labels"].items()
    for pod in of_kind(releases[name], "Pod"):
        assert not SELECTOR.items() <= pod["metadata"]["labels"].items(), "the Service would select the test"


def test_stateful_sets_of_replicas_do_not_share_pods(releases: dict[str, list[Manifest]]) -> None:
    first, second = of_kind(releases["shards-and-replicas"], "StatefulSet")
    selector = first["spec"]["selector"]["matchLabels"]
    assert not selector.items() <= second["spec"]["template"]["metadata"]["labels"].items()


def test_names_fit_with_what_kubernetes_adds(releases: dict[str, list[Manifest]]) -> None:
    for manifests in releases.values():
        for one in of_kind(manifests, "StatefulSet"):
            # The label controller-revision-hash is the name, a hyphen and ten characters.
            assert len(one["metadata"]["name"]) + 11 <= 63
        for one in of_kind(manifests, "Service", *WORKLOADS):
            assert len(one["metadata"]["name"]) <= 63


def test_labels_that_look_like_numbers_stay_text(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(good("one-organization").read_text() + "commonLabels: {zone: '7'}\n")
    found = run("helm", "template", "007", CHART, "--values", tmp_path / "values.yaml")
    for one in documents(found.stdout):
        assert one["metadata"]["labels"]["app.kubernetes.io/instance"] == "007"
        assert one["metadata"]["labels"].get("zone", "7") == "7"
    assert named(documents(found.stdout), "Service")["spec"]["selector"]["app.kubernetes.io/instance"] == "007"


def test_a_namespace_that_looks_like_a_number_stays_text() -> None:
    values = good("names-like-numbers")
    found = documents(run("helm", "template", "007", CHART, "--namespace", "456", "--values", values).stdout)
    assert {one["metadata"]["namespace"] for one in found} == {"456"}
    monitor = named(found, "ServiceMonitor")
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["456"]}


def test_labels_of_the_chart_win(tmp_path: Path) -> None:
    text = "commonLabels: {app.kubernetes.io/name: other, app.kubernetes.io/part-of: audit}\n"
    text += "podLabels: {app.kubernetes.io/instance: other, network: platform}\n"
    (tmp_path / "values.yaml").write_text(good("one-organization").read_text() + text)
    workload = named(render(tmp_path / "values.yaml"), "Deployment")
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert SELECTOR.items() <= labels.items()
    assert (labels["app.kubernetes.io/part-of"], labels["network"]) == ("audit", "platform")


def test_a_stateful_set_has_its_headless_service(releases: dict[str, list[Manifest]]) -> None:
    for name in ("shards-and-replicas", "replicas-with-storage"):
        services = {one["metadata"]["name"]: one["spec"] for one in of_kind(releases[name], "Service")}
        for one in of_kind(releases[name], "StatefulSet"):
            assert services[one["spec"]["serviceName"]]["clusterIP"] == "None"
            assert one["spec"]["podManagementPolicy"] == "Parallel"


# Restarts


def test_a_changed_configuration_restarts_the_pods() -> None:
    def annotations(*flags: str) -> dict[str, str]:
        workload = named(render(good("one-organization"), *flags), "Deployment")
        found: dict[str, str] = workload["spec"]["template"]["metadata"]["annotations"]
        return found

    before = annotations()
    assert set(before) == {"checksum/config"}
    assert annotations() == before
    assert annotations("--set", "logLevel=debug") == before
    assert annotations("--set", "config.poll.interval=1h") != before
    assert annotations("--set", "configFiles.a=b") != before


def test_with_auto_reload_only_what_is_read_at_the_start_restarts_the_pods() -> None:
    def template_of(*flags: str) -> Manifest:
        workload = named(render(good("replicas"), *flags), "Deployment")
        found: Manifest = workload["spec"]["template"]
        return found

    before = template_of()
    assert "--config.auto-reload" in container({"spec": {"template": before}})["args"]
    assert template_of("--set", "config.poll.interval=1h") == before
    assert template_of("--set", "redis.lease=20s") != before
    # The password is read again for each connection, and no hash of it may be seen.
    assert template_of("--set", "redis.password=hunter2") == before


def test_only_another_kind_of_authentication_restarts_the_pods() -> None:
    def template_of(*flags: str) -> Manifest:
        found: Manifest = named(render(good("web-tls"), *flags), "Deployment")["spec"]["template"]
        return found

    before = template_of()
    assert template_of("--set", "web.config.basic_auth_users.grafana=$2b$04$another") == before
    assert template_of("--set", "web.config.rate_limit.burst=100") == before
    assert template_of("--set-json", "web.config.basic_auth_users={}") != before
    assert template_of("--set", "web.config.tls_server_config.client_auth_type=RequestClientCert") != before


def test_a_single_pod_is_recreated_and_replicas_are_rolled(releases: dict[str, list[Manifest]]) -> None:
    for name in ("one-organization", "storage", "existing-claim", "demo"):
        assert named(releases[name], "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    assert "strategy" not in named(releases["existing-config-map"], "Deployment")["spec"]
    assert named(releases["replicas"], "Deployment")["spec"]["strategy"]["type"] == "RollingUpdate"


# Storage


def test_state_is_in_a_claim_of_each_pod(releases: dict[str, list[Manifest]]) -> None:
    def storage(name: str) -> str:
        config_map = of_kind(releases[name], "ConfigMap")[0]
        path: str = yaml.safe_load(config_map["data"]["config.yaml"])["storage"]["path"]
        return path

    mount = {"name": "state", "mountPath": "/var/lib/yunxiao-token-exporter"}
    for name in ("storage", "existing-claim", "replicas-with-storage", "shards-and-replicas"):
        assert storage(name) == "/var/lib/yunxiao-token-exporter/state.db"
        assert mount in container(of_kind(releases[name], *WORKLOADS)[0])["volumeMounts"]
    claim = named(releases["storage"], "PersistentVolumeClaim")
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    volumes = named(releases["existing-claim"], "Deployment")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "state", "persistentVolumeClaim": {"claimName": "old-state"}} in volumes
    assert not of_kind(releases["existing-claim"], "PersistentVolumeClaim")
    for one in of_kind(releases["shards-and-replicas"], "StatefulSet"):
        (template_of_claim,) = one["spec"]["volumeClaimTemplates"]
        assert template_of_claim["spec"]["storageClassName"] == "fast"
        # Kubernetes refuses changes of it.
        assert template_of_claim["metadata"]["labels"] == SELECTOR
    (one,) = of_kind(releases["replicas-with-storage"], "StatefulSet")
    assert "storageClassName" not in one["spec"]["volumeClaimTemplates"][0]["spec"]


# Network and disruptions


def test_a_network_policy_opens_one_port_and_limits_what_is_called(releases: dict[str, list[Manifest]]) -> None:
    policy = named(releases["ingress"], "NetworkPolicy")["spec"]
    assert policy["podSelector"] == {"matchLabels": SELECTOR}
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (ingress,) = policy["ingress"]
    assert ingress["ports"] == [{"port": "http", "protocol": "TCP"}]
    assert ingress["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    names_of_hosts, platform, alertmanager = policy["egress"]
    assert names_of_hosts == {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
    assert platform == {
        "ports": [{"port": 443, "protocol": "TCP"}, {"port": 6379, "protocol": "TCP"}],
        "to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
    }
    assert alertmanager["ports"] == [{"port": 9093}]


def test_a_disruption_budget_selects_the_pods(releases: dict[str, list[Manifest]]) -> None:
    for name, expected in (("replicas", {"minAvailable": 1}), ("shards-and-replicas", {"maxUnavailable": "25%"})):
        budget = named(releases[name], "PodDisruptionBudget")["spec"]
        assert expected.items() <= budget.items()
        assert budget["selector"] == {"matchLabels": SELECTOR}
    default = render(good("storage"), "--set", "podDisruptionBudget.enabled=true")
    assert named(default, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


# Probes and monitors


def test_probes_and_monitors_follow_the_path_and_the_scheme(releases: dict[str, list[Manifest]]) -> None:
    def paths(name: str) -> list[Any]:
        exporter_container = container(named(releases[name], "Deployment"))
        probes = (exporter_container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness"))
        return [one.get("httpGet", one.get("tcpSocket")) for one in probes]

    healthy, ready = "/-/healthy", "/-/ready"
    assert [one["path"] for one in paths("one-organization")] == [healthy, healthy, ready]
    assert "scheme" not in paths("one-organization")[0]
    assert [one["path"] for one in paths("ingress")] == [f"/tokens{one}" for one in (healthy, healthy, ready)]
    assert [one["path"] for one in paths("existing-config-map")] == [
        f"/tokens{one}" for one in (healthy, healthy, ready)
    ]
    assert {one["scheme"] for name in ("web-tls", "web-existing-secret") for one in paths(name)} == {"HTTPS"}
    assert paths("web-client-certificates")[:2] == [{"port": "http"}, {"port": "http"}]
    assert "--web.open-health" in container(named(releases["web-tls"], "Deployment"))["args"]

    (endpoint,) = named(releases["ingress"], "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint == {"port": "http", "path": "/tokens/metrics"}
    (endpoint,) = named(releases["web-tls"], "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["scheme"] == "https"
    assert endpoint["tlsConfig"]["serverName"] == "tokens.example.com"
    rules = named(releases["ingress"], "Ingress")["spec"]["rules"]
    assert [one["http"]["paths"][0]["path"] for one in rules] == ["/tokens", "/"]


def test_a_monitor_selects_one_service_in_the_namespace_of_the_release(releases: dict[str, list[Manifest]]) -> None:
    monitor = named(releases["monitoring"], "ServiceMonitor")
    assert monitor["metadata"]["namespace"] == "monitoring"
    assert monitor["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["tokens"]}
    selector = monitor["spec"]["selector"]["matchLabels"]
    # With a StatefulSet there is a headless Service too: it must not be scraped as well.
    for name in ("monitoring", "shards-and-replicas", "replicas-with-storage"):
        services = of_kind(releases[name], "Service")
        matching = [one for one in services if selector.items() <= one["metadata"]["labels"].items()]
        assert len(matching) == 1


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize("name", ["one-organization", "ingress", "web-tls"])
def test_probes_of_a_running_exporter_answer(name: str, certificate: str, tmp_path: Path) -> None:
    """The exporter runs with the arguments and files of a pod, and polls a simulated platform."""
    with a_simulator(size=3) as simulator, contextlib.ExitStack() as stack:
        flags = f"serviceMonitor.enabled=true,organizations[0].endpoint={simulator.url}"
        manifests = render(good(name), "--set", flags)
        workload = named(manifests, "Deployment")
        files = Files(tmp_path)
        files.mount(workload, manifests, existing(workload, certificate) | {"yunxiao-token": {"token": ADMIN_TOKEN}})
        address = f"127.0.0.1:{free_port()}"
        arguments = [files.translated(one) for one in container(workload)["args"]]
        command = [sys.executable, "-m", "exporter", *arguments, f"--web.listen-address={address}"]
        running = stack.enter_context(Running(command))
        for kind in ("startup", "liveness", "readiness"):
            probe = container(workload)[f"{kind}Probe"]["httpGet"]
            url = f"{probe.get('scheme', 'HTTP').lower()}://{address}{probe['path']}"
            assert wait_until(functools.partial(answers, url)), running.output
        (endpoint,) = named(manifests, "ServiceMonitor")["spec"]["endpoints"]
        url = f"{endpoint.get('scheme', 'http')}://{address}{endpoint['path']}"
        scraped = requests.get(url, timeout=10, verify=False, auth=("prometheus", "x"))
        assert 'yunxiao_users{organization="acme"} 3.0' in scraped.text
        for test in of_kind(manifests, "Pod"):
            (tester,) = test["spec"]["containers"]
            found = exporter(*(re.sub(r"yte-yunxiao-token-exporter:[0-9]+", address, one) for one in tester["args"]))
            assert found.returncode == 0, found.stderr
        running.signal(signal.SIGTERM)
        assert running.ended() == 0


def answers(url: str) -> bool:
    """Whether a probe of the kubelet succeeds, which verifies no certificate."""
    try:
        return requests.get(url, timeout=5, verify=False).status_code == 200
    except requests.RequestException:
        return False


# Rules and dashboards


def test_rules_are_those_that_the_exporter_prints(releases: dict[str, list[Manifest]]) -> None:
    printed = exporter("rules", "--format", "prometheus-rule")
    expected = yaml.safe_load(printed.stdout)
    assert named(releases["monitoring"], "PrometheusRule")["spec"] == expected["spec"]


def test_rules_are_in_the_language_of_the_configuration(releases: dict[str, list[Manifest]], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("pt-fake_of-a-file")
    organization = {
        "name": "a",
        "endpoint": "https://a.example.com",
        "token_file": "token",
        "users": {"static": [{"id": "u"}]},
    }
    config = {"organizations": [organization], "alerting": {"language": "zh"}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    printed = exporter("rules", "--config.file", str(tmp_path / "config.yaml"))
    own = [rule for group in yaml.safe_load(printed.stdout)["groups"] for rule in group["rules"]]
    assert len(own) > 10
    rendered = named(releases["monitoring-chinese"], "PrometheusRule")["spec"]["groups"]
    # The chart has rules about policies too, since it cannot know which ones are set.
    assert [rule for rule in own if rule not in [one for group in rendered for one in group["rules"]]] == []


def test_rules_of_ones_own_configuration_are_taken_as_printed(tmp_path: Path) -> None:
    for form in ("prometheus", "prometheus-rule"):
        (tmp_path / "rules.yaml").write_text(exporter("rules", "--format", form).stdout)
        flags = ("--set-file", f"prometheusRule.rulesFile={tmp_path / 'rules.yaml'}")
        found = named(render(good("monitoring"), *flags), "PrometheusRule")["spec"]
        assert found == named(render(good("monitoring")), "PrometheusRule")["spec"]


def test_dashboards_are_those_of_the_exporter(releases: dict[str, list[Manifest]]) -> None:
    found: dict[str, Any] = {}
    for one in of_kind(releases["monitoring"], "ConfigMap"):
        if one["metadata"]["labels"].get("grafana_dashboard") == "1":
            assert one["metadata"]["namespace"] == "grafana"
            assert one["metadata"]["annotations"] == {"grafana_folder": "Yunxiao"}
            found |= {name: json.loads(text) for name, text in one["data"].items()}
    own = {f"yunxiao-{one.name}": json.loads(one.read_text()) for one in (ROOT / "exporter/dashboards").glob("*.json")}
    assert found == own
    assert len(found) == 2


# Images, and the notes


def test_images_come_from_the_mirror_by_digest(releases: dict[str, list[Manifest]]) -> None:
    default = container(named(releases["one-organization"], "Deployment"))["image"]
    assert default == f"ghcr.io/yunxiao-token-exporter/yunxiao-token-exporter:{__version__}"
    digest = "0123456789abcdef" * 4
    expected = f"registry.example.com/mirror/yunxiao-token-exporter/yunxiao-token-exporter@sha256:{digest}"
    assert container(named(releases["intranet"], "Deployment"))["image"] == expected


def test_notes_say_what_to_do_next() -> None:
    def notes(values: Path, *flags: str) -> str:
        found = run("helm", "install", "yte", CHART, "--dry-run=client", "--namespace", "tokens", "-f", values, *flags)
        assert found.returncode == 0, found.stderr
        return found.stdout.partition("NOTES:")[2]

    assert "SIMULATED" in notes(good("demo"))
    plain = notes(good("one-organization"))
    assert "kubectl --namespace tokens port-forward service/yte-yunxiao-token-exporter 10097:10097" in plain
    assert "exec deployment/yte-yunxiao-token-exporter -- yunxiao-token-exporter check-config" in plain
    assert "serviceMonitor.enabled" in plain
    assert "SIMULATED" not in plain
    assert "--set-file prometheusRule.rulesFile" not in notes(good("monitoring"))
    changed = notes(good("monitoring"), "--set", "config.alerting.labels.team=platform")
    assert "--set-file prometheusRule.rulesFile" in changed
    assert "exec deployment/yte-yunxiao-token-exporter -- yunxiao-token-exporter rules > rules.yaml" in changed
    changed = notes(good("monitoring"), "--set", "organizations[0].users.discover.owner_labels[0]=email")
    assert "--set-file prometheusRule.rulesFile" in changed
    changed = notes(good("monitoring"), "--set", "organizations[0].users.static[0].id=u")
    assert "--set-file prometheusRule.rulesFile" not in changed
    assert "Warning: whoever reaches the Ingress" in notes(good("ingress"))
    assert "shards" not in plain
    sharded = notes(good("one-organization"), "--set", "shards=3")
    assert "exec yte-yunxiao-token-exporter-0 -- yunxiao-token-exporter check-config" in sharded
    assert "Each of the 3 shards shows its own users" in sharded


# Documents


def examples() -> list[str]:
    """The values that the documents show, in blocks of YAML."""
    documents = (ROOT / "docs/kubernetes.md", CHART / "README.md")
    return [block for one in documents for block in re.findall(r"```yaml\n(.*?)```", one.read_text("utf-8"), re.DOTALL)]


def test_the_documents_have_examples() -> None:
    assert len(examples()) >= 10


@pytest.mark.parametrize("number", range(len(examples())))
def test_examples_of_the_documents_render(number: int, tmp_path: Path) -> None:
    values = yaml.safe_load(good("one-organization").read_text(encoding="utf-8"))
    values |= yaml.safe_load(examples()[number].replace("sha256:…", f"sha256:{'0' * 64}"))
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    assert len(render(tmp_path / "values.yaml")) >= 4


# What is generated


def test_generated_files_are_in_step() -> None:
    found = run(sys.executable, ROOT / "scripts/make_chart.py", "--check")
    assert (found.stderr, found.returncode) == ("", 0)


def test_a_package_is_built_the_same_each_time(tmp_path: Path) -> None:
    packages = []
    for number in (1, 2):
        out = tmp_path / str(number)
        found = run(ROOT / "scripts/build-chart.sh", out, SOURCE_DATE_EPOCH="1700000000")
        assert found.returncode == 0, found.stdout + found.stderr
        packages.append(out / f"yunxiao-token-exporter-{__version__}.tgz")
    assert packages[0].read_bytes() == packages[1].read_bytes()
    with tarfile.open(packages[0]) as archive:
        members = archive.getmembers()
    assert {one.mtime for one in members} == {1_700_000_000}
    assert {"yunxiao-token-exporter/values.schema.json", "yunxiao-token-exporter/files/rules.zh.yaml"} <= {
        one.name for one in members
    }
    from_package = run("helm", "template", "yte", packages[0], "--namespace", "tokens", "--values", good("monitoring"))
    assert from_package.stdout == template(good("monitoring")).stdout


def test_other_machines_leave_the_chart_to_x86(tmp_path: Path) -> None:
    for name in ("bash", "dirname", "mkdir", "realpath"):
        (tmp_path / name).symlink_to(needed(name))
    (tmp_path / "uname").write_text("#!/bin/sh\necho aarch64\n")
    (tmp_path / "uname").chmod(0o755)
    found = run(ROOT / "scripts/build-chart.sh", tmp_path / "out", PATH=str(tmp_path))
    assert (found.returncode, list((tmp_path / "out").iterdir())) == (0, [])
    assert "no helm for aarch64" in found.stderr


def test_every_value_needs_a_comment_for_the_readme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    make_chart = importlib.import_module("make_chart")
    values = (CHART / "values.yaml").read_text(encoding="utf-8")
    assert '| `image.pullPolicy` | `"IfNotPresent"` | Pull policy. |\n' in make_chart.tables(values)
    with pytest.raises(ValueError, match=r"image\.pullPolicy has no comment"):
        make_chart.tables(values.replace("# -- Pull policy.", "# Pull policy."))


def test_every_value_is_in_the_schema_and_in_the_values() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert set(schema["properties"]) == set(values)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(values, schema)
