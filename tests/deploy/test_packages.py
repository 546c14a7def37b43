"""The Debian and RPM packages: what they contain, and what they do to a machine that installs and removes them."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from conftest import needed
from support import machine
from support.documents import dead_links
from support.machine import Machine
from support.running import ADMIN_TOKEN, ROOT, a_simulator, free_port, get, wait_until

import exporter

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.running import Running

pytestmark = pytest.mark.timeout(300)  # the first test waits for the packages to be built

NAME = "yunxiao-token-exporter"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
MACHINE = platform.machine()
LIBRARY = f"/usr/lib/{NAME}"
PLACES = (
    f"/etc/{NAME} /etc/default/{NAME} /var/lib/{NAME} {LIBRARY} /usr/share/{NAME} /usr/share/doc/{NAME} /usr/bin/{NAME}"
)
"""All that the packages create, apart from single files in directories of others."""


@dataclass(frozen=True)
class Packages:
    deb: Path
    rpm: Path

    def digests(self) -> list[str]:
        return [hashlib.sha256(file.read_bytes()).hexdigest() for file in (self.deb, self.rpm)]


def build(out: Path, **env: str) -> Packages:
    done = subprocess.run(
        [ROOT / "scripts/build-packages.sh", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=280,
        env={**os.environ, **env},
    )
    assert done.returncode == 0, done.stdout
    stem = f"{NAME}_{exporter.__version__}"
    packages = Packages(out / f"{stem}_{ARCHITECTURES[MACHINE]}.deb", out / f"{stem}_{MACHINE}.rpm")
    assert sorted(out.iterdir()) == sorted([packages.deb, packages.rpm])
    return packages


def tool(*command: str | Path) -> str:
    done = subprocess.run(
        [needed(str(command[0])), *command[1:]], capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    needed("nfpm")
    return build(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def copies() -> type[Machine]:
    """What makes copies of this machine, if that is possible."""
    if not machine.possible():
        if os.environ.get("CI") == "true":
            pytest.fail("this needs root and overlay file systems")
        pytest.skip("this needs root and overlay file systems")
    return Machine


@pytest.fixture
def fresh(copies: type[Machine]) -> Generator[Machine]:
    """A machine on which nothing is installed yet."""
    with copies() as copy:
        yield copy


@pytest.fixture(scope="module")
def installed(copies: type[Machine], packages: Packages) -> Generator[Machine]:
    """A machine with the Debian package."""
    with copies() as copy:
        copy.run("dpkg", "--install", packages.deb)
        yield copy


def ready(process: Running, port: int) -> bool:
    assert process.process.poll() is None, process.output
    done = subprocess.run(["curl", "--silent", "--fail", f"http://127.0.0.1:{port}/-/ready"], check=False)
    return done.returncode == 0


def demo_becomes_ready(copy: Machine) -> None:
    port = free_port()
    with copy.start(f"/usr/bin/{NAME}", "demo", "--web.listen-address", f"127.0.0.1:{port}", user=NAME) as demo:
        wait_until(lambda: ready(demo, port), within=30)
        demo.signal(signal.SIGTERM)
        assert demo.ended() == 0


def left(copy: Machine) -> list[str]:
    """Which of the places exist, and other files with the name of the package."""
    found = copy.shell(
        f"ls -d {PLACES} 2>/dev/null || true\n"
        "cd /usr/share\n"
        "find /usr/lib/systemd /usr/lib/sysusers.d /etc/systemd bash-completion fish zsh man/man1 lintian licenses"
        f" -name '*{NAME}*' 2>/dev/null || true"
    )
    return found.split()


def minor_version(copy: Machine) -> str:
    return copy.run("/usr/bin/python3", "-c", "import sys; print(sys.version_info[1])").strip()


# What the Debian package says


def test_debian_package_depends_on_what_it_needs(packages: Packages) -> None:
    fields = dict(
        line.split(": ", 1) for line in tool("dpkg-deb", "--field", packages.deb).splitlines() if ": " in line
    )
    assert fields["Version"] == f"{exporter.__version__}-1"
    assert fields["Architecture"] == ARCHITECTURES[MACHINE]
    assert fields["Depends"] == (
        "libc6 (>= 2.28), libgcc-s1, libstdc++6, python3.13 | python3.12 | python3.11 (>= 3.11.0)"
    )
    assert fields["Recommends"] == "procps"


def test_lintian_finds_nothing(packages: Packages) -> None:
    done = subprocess.run(
        [needed("lintian"), "--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning", packages.deb],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert (done.stdout, done.returncode) == ("", 0)


def test_copyright_names_each_dependency(packages: Packages) -> None:
    text = subprocess.run(
        f"dpkg-deb --fsys-tarfile {packages.deb} | tar --extract --to-stdout ./usr/share/doc/{NAME}/copyright",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert re.search(r"^Copyright: the authors of requests 2\.\S+\nLicense: Apache-2\.0$", text, re.MULTILINE)
    pinned = re.findall(r"^[^ =]+(?===)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    named = {name.lower().replace("_", "-") for name in re.findall(r"the authors of (\S+) \d", text)}
    # Only for Windows.
    assert named == set(pinned) - {"colorama"}


def test_two_builds_give_the_same_bytes(packages: Packages, tmp_path: Path) -> None:
    # In another time zone, with another umask.
    previous = os.umask(0o077)
    try:
        again = build(tmp_path / "again", TZ="Asia/Shanghai")
    finally:
        os.umask(previous)
    assert again.digests() == packages.digests()


# What an installation does


def test_creates_an_account_without_a_login(installed: Machine) -> None:
    fields = installed.run("getent", "passwd", NAME).strip().split(":")
    assert fields[5:] == [f"/var/lib/{NAME}", "/usr/sbin/nologin"]
    assert int(fields[2]) < 1000


def test_only_root_and_the_service_read_the_configuration_and_only_the_service_the_state(installed: Machine) -> None:
    modes = installed.run("stat", "--format", "%a %U %G", f"/etc/{NAME}", f"/var/lib/{NAME}", f"/usr/bin/{NAME}")
    assert modes.splitlines() == [f"750 root {NAME}", f"700 {NAME} {NAME}", "755 root root"]


def test_has_no_configuration_and_does_not_enable_the_service(installed: Machine) -> None:
    assert installed.shell(f"find /etc/{NAME} -type f; find /etc/systemd -name '*{NAME}*'") == ""


def test_modules_are_compiled_for_the_python_of_the_system(installed: Machine) -> None:
    version = minor_version(installed)
    sources = installed.shell(f"find {LIBRARY}/common -name '*.py' | wc -l")
    assert installed.shell(f"find {LIBRARY}/common -name '*.cpython-3{version}.pyc' | wc -l") == sources
    assert int(sources) > 1000


def test_shows_its_version_and_has_a_manual_page(installed: Machine) -> None:
    assert installed.run(NAME, "--version", user=NAME) == f"{NAME} {exporter.__version__}\n"
    page = installed.shell(f"zcat /usr/share/man/man1/{NAME}.1.gz")
    assert f'"{NAME} {exporter.__version__}"' in page
    assert r"\-\-web.listen\-address" in page
    assert r"\fB\-\-config.auto\-reload" in page
    # Outside of examples, no word is longer than a line of 80 characters with its indentation.
    text = re.sub(r"(?ms)^\.nf$.*?^\.fi$", "", page).replace(r"\-", "-")
    assert max(len(word) for word in re.split(r"\s|\\:", text)) < 70


def test_users_without_access_to_the_configuration_are_told_so(installed: Machine) -> None:
    unreadable = f"/etc/{NAME}/config.yaml: cannot be read: Permission denied; check that uid 1 may read it\n"
    for command in ("tokens", "check-config"):
        code, said = installed.outcome(NAME, command, user="daemon")
        assert (code in {1, 2}, said) == (True, unreadable)
    code, said = installed.outcome(NAME, "tokens", "--from", "http://127.0.0.1:9", user="daemon")
    assert (code, said.startswith("--from: http://127.0.0.1:9/")) == (2, True)


def test_bash_completes_commands(installed: Machine) -> None:
    script = (
        f"source /usr/share/bash-completion/completions/{NAME}\n"
        f"COMP_WORDS=({NAME} che) COMP_CWORD=1\n_yunxiao_token_exporter_completion {NAME}\n"
        'echo "${COMPREPLY[@]}"'
    )
    assert installed.run("bash", "-c", script) == "check-config\n"


def test_demo_runs_as_the_service_user(installed: Machine) -> None:
    demo_becomes_ready(installed)


def test_command_of_the_service_polls_with_a_configuration(installed: Machine) -> None:
    unit = installed.run("cat", f"/usr/lib/systemd/system/{NAME}.service")
    start = re.search(r"^ExecStart=(.*) \$ARGS$", unit, re.MULTILINE)
    variable = re.search(r"^Environment=(\S+_CONFIG_FILE=\S+)$", unit, re.MULTILINE)
    assert start is not None
    assert variable is not None
    port = free_port()
    with a_simulator(size=3) as simulator:
        # As docs/installation.md says.
        installed.shell(
            f"cd /etc/{NAME}\n"
            f"printf %s '{ADMIN_TOKEN}' | install -m 640 -g {NAME} /dev/stdin token\n"
            f"{NAME} init --endpoint {simulator.url} --token-file token --name acme --output-file config.yaml\n"
            f"printf '%s\\n' 'storage: {{path: /var/lib/{NAME}/state.db}}' >> config.yaml\n"
            f"chgrp {NAME} config.yaml\nchmod 640 config.yaml"
        )
        assert installed.run(NAME, "check-config", "--probe", user=NAME)
        service = [*start[1].split(), "--web.listen-address", f"127.0.0.1:{port}"]
        with installed.start("env", variable[1], *service, user=NAME) as process:
            wait_until(lambda: ready(process, port), within=30)
            assert 'yunxiao_users{organization="acme"} 3.0' in get(f"http://127.0.0.1:{port}/metrics").text
            process.signal(signal.SIGTERM)
            assert process.ended() == 0
    assert installed.run("stat", "--format", "%a %U", f"/var/lib/{NAME}/state.db") == f"600 {NAME}\n"


def test_modules_of_the_system_or_of_a_user_are_not_used(installed: Machine) -> None:
    installed.shell("mkdir -p /tmp/others\necho 'raise SystemExit(\"wrong module\")' > /tmp/others/yaml.py")
    assert exporter.__version__ in installed.run(
        "env", "-C", "/tmp/others", "PYTHONPATH=/tmp/others", NAME, "--version"
    )


def test_an_unsupported_python_is_named(installed: Machine) -> None:
    installed.shell(
        "printf '%s\\n' '#!/usr/bin/python3 -sS' 'import sys' 'sys.version_info = (3, 10, 13)'"
        " 'sys.executable = \"/opt/python\"' 'del sys.argv[0:3]'"
        f' \'exec(compile(open("{LIBRARY}/launch.py").read(), "{LIBRARY}/launch.py", "exec"),'
        f' {{"__name__": "__main__", "__file__": "{LIBRARY}/launch.py"}})\' > /opt/python\nchmod 755 /opt/python'
    )
    assert installed.outcome("env", "YUNXIAO_TOKEN_EXPORTER_PYTHON=/opt/python", NAME, "--version") == (
        2,
        f"{NAME}: /opt/python is Python 3.10; the package has compiled modules for python3.11, python3.12, python3.13"
        " only\n",
    )


def test_a_missing_python_is_named(installed: Machine) -> None:
    hide = "for python in /usr/bin/python3.1[123]; do mount --bind /dev/null $python; done"
    assert installed.outcome("unshare", "--mount", "sh", "-c", f"{hide}; exec {NAME} --version") == (
        2,
        f"{NAME}: no supported Python in /usr/bin; install one of: python3.11 python3.12 python3.13\n",
    )


def test_runs_without_being_installed(packages: Packages, tmp_path: Path) -> None:
    # As docs/upgrading.md says, to check a configuration with a new release.
    tool("dpkg-deb", "--extract", packages.deb, tmp_path)
    launch = tmp_path / f"usr/lib/{NAME}/launch.py"
    said = tool("env", "--ignore-environment", "/usr/bin/python3", launch, "--version")
    assert said == f"{NAME} {exporter.__version__}\n"


def test_its_documents_need_no_internet(packages: Packages, tmp_path: Path) -> None:
    tool("dpkg-deb", "--extract", packages.deb, tmp_path)
    share = tmp_path / "usr/share"
    assert dead_links(share) == []
    alerts = (share / f"doc/{NAME}/docs/zh/alerts.md").read_text("utf-8")
    assert "](../runbooks/zh/YunxiaoTokenExpired.md)" in alerts
    assert f"](../../../../{NAME}/alertmanager/README.zh.md)" in alerts
    contributing = f"](https://github.com/{NAME}/{NAME}/blob/v{exporter.__version__}/CONTRIBUTING.md)"
    assert contributing in (share / f"doc/{NAME}/README.md").read_text("utf-8")


def test_debian_package_is_installed_upgraded_removed_and_purged(packages: Packages, fresh: Machine) -> None:
    before = left(fresh)
    hint = f"{NAME} is not configured yet: see /usr/share/doc/{NAME}/docs/installation.md\n"
    assert hint in fresh.run("dpkg", "--install", packages.deb)
    assert fresh.outcome("test", "-f", hint.rsplit(maxsplit=1)[-1]) == (0, "")
    fresh.shell(
        f"echo 'ARGS=--log.level=debug' > /etc/default/{NAME}\necho '{{}}' > /etc/{NAME}/config.yaml\n"
        f"chmod 755 /etc/{NAME}\ntouch /var/lib/{NAME}/state.db {LIBRARY}/common/__pycache__/of_an_old_release.pyc"
    )

    assert hint not in fresh.run("dpkg", "--install", packages.deb)
    assert fresh.run("cat", f"/etc/default/{NAME}", f"/etc/{NAME}/config.yaml") == "ARGS=--log.level=debug\n{}\n"
    assert fresh.run("stat", "--format", "%a", f"/etc/{NAME}") == "755\n"
    assert fresh.outcome("test", "-e", f"{LIBRARY}/common/__pycache__/of_an_old_release.pyc") == (1, "")
    assert fresh.run(NAME, "--version") == f"{NAME} {exporter.__version__}\n"

    fresh.run("dpkg", "--remove", NAME)
    assert left(fresh) == [f"/etc/default/{NAME}", f"/etc/{NAME}", f"/var/lib/{NAME}"]
    assert fresh.run("cat", f"/etc/{NAME}/config.yaml") == "{}\n"

    fresh.run("dpkg", "--purge", NAME)
    assert left(fresh) == before == []
    # The account stays, because files elsewhere may belong to it.
    assert fresh.run("getent", "passwd", NAME) != ""


def test_a_directory_that_a_removal_has_deleted_is_protected_again(packages: Packages, fresh: Machine) -> None:
    fresh.run("dpkg", "--install", packages.deb)
    fresh.run("dpkg", "--remove", NAME)
    assert fresh.outcome("test", "-e", f"/etc/{NAME}") == (1, "")
    fresh.run("dpkg", "--install", packages.deb)
    assert fresh.run("stat", "--format", "%a %U %G", f"/etc/{NAME}") == f"750 root {NAME}\n"


def test_an_upgrade_leaves_the_directory_behind_a_link_as_it_is(packages: Packages, fresh: Machine) -> None:
    fresh.shell(f"mkdir /srv/tokens\nln -s /srv/tokens /etc/{NAME}")
    fresh.run("dpkg", "--install", packages.deb)
    shown = ("stat", "--format", "%a %U %G", "/srv/tokens")
    assert fresh.run(*shown) == f"750 root {NAME}\n"
    fresh.shell("chmod 2755 /srv/tokens")
    fresh.run("dpkg", "--install", packages.deb)
    assert fresh.run(*shown) == f"2755 root {NAME}\n"


def test_debian_package_uses_a_group_that_exists_where_systemd_is_not_installed(
    packages: Packages, fresh: Machine
) -> None:
    fresh.shell(f"groupadd --system {NAME}\nrm $(command -v systemd-sysusers)")
    fresh.run("dpkg", "--install", packages.deb)
    assert fresh.run("id", "--name", "--group", NAME) == f"{NAME}\n"
    assert fresh.run("stat", "--format", "%G %a", f"/etc/{NAME}") == f"{NAME} 750\n"


def test_purge_leaves_an_empty_mount_point_of_the_state(packages: Packages, fresh: Machine) -> None:
    fresh.run("dpkg", "--install", packages.deb)
    state = f"/var/lib/{NAME}"
    fresh.shell(f"mount -t tmpfs tmpfs {state}\ntouch {state}/state.db")
    purged = fresh.run("dpkg", "--purge", NAME)
    assert f"{state} stays; if it is a mount point, unmount and remove it\n" in purged
    assert fresh.run("ls", "-A", state) == ""
    assert fresh.outcome("dpkg-query", "--show", NAME)[0] == 1


def test_compiles_again_when_a_python_is_installed(packages: Packages, installed: Machine) -> None:
    assert "/usr/bin/python3.13" in tool("dpkg-deb", "--info", packages.deb, "triggers")
    installed.shell(f"rm -r {LIBRARY}/common/__pycache__ {LIBRARY}/common/exporter/__pycache__")
    python = f"python3.{minor_version(installed)}"
    installed.shell(f"dpkg-trigger --by-package={python} --no-await /usr/bin/{python}\ndpkg --triggers-only --pending")
    assert installed.shell(f"ls {LIBRARY}/common/exporter/__pycache__ | grep -c '^__init__[.]cpython-3'") == "1\n"


# The RPM package


def test_rpm_package_describes_itself(packages: Packages) -> None:
    query = "%{NAME} %{VERSION} %{RELEASE} %{ARCH} %{LICENSE} %{BUILDHOST}"
    assert tool("rpm", "--query", "--package", f"--queryformat={query}", packages.rpm) == (
        f"{NAME} {exporter.__version__} 1 {MACHINE} Apache-2.0 localhost"
    )
    required = tool("rpm", "--query", "--package", "--requires", packages.rpm).splitlines()
    assert [line for line in required if not line.startswith("rpmlib(")] == [
        "(python(abi) = 3.13 or python(abi) = 3.12 or python(abi) = 3.11)",
        "glibc >= 2.28",
        "libstdc++",
        "shadow-utils",
    ]
    assert tool("rpm", "--query", "--package", "--configfiles", packages.rpm) == f"/etc/default/{NAME}\n"


def stand_in(folder: Path, abi: str) -> Path:
    """A package that provides what the other packages of an RPM distribution do, with a Python version."""
    config = folder / f"{abi}.yaml"
    config.write_text(
        "{name: distribution, arch: noarch, version: '1', provides: [glibc = 2.34, libstdc++ = 11, shadow-utils = 4,"
        f" /bin/sh, python(abi) = {abi}], maintainer: a, description: a}}"
    )
    package = folder / f"{abi}.rpm"
    tool("nfpm", "package", "--config", config, "--packager", "rpm", "--target", package)
    return package


@pytest.mark.parametrize(("abi", "satisfied"), [("3.9", False), ("3.11", True), ("3.13", True), ("3.14", False)])
def test_rpm_package_is_satisfied_by_a_supported_python(
    packages: Packages, tmp_path: Path, abi: str, *, satisfied: bool
) -> None:
    done = subprocess.run(
        [needed("rpm"), f"--root={tmp_path / 'root'}", "--install", "--test", stand_in(tmp_path, abi), packages.rpm],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    missing = re.findall(r"^\s+(.*) is needed by", done.stderr, re.MULTILINE)
    assert missing == ([] if satisfied else ["(python(abi) = 3.13 or python(abi) = 3.12 or python(abi) = 3.11)"])
    assert (done.returncode == 0) is satisfied


def test_rpm_package_is_installed_run_and_removed(packages: Packages, fresh: Machine) -> None:
    needed("rpm")
    # Debian's rpm knows none of the packages that are needed; the files are there.
    fresh.run("rpm", "--install", "--nodeps", packages.rpm)
    modes = fresh.run("stat", "--format", "%a %U %G", f"/etc/{NAME}", f"/var/lib/{NAME}")
    assert modes.splitlines() == [f"750 root {NAME}", f"700 {NAME} {NAME}"]
    assert fresh.run("rpm", "--verify", "--nodeps", NAME) == ""
    assert int(fresh.shell(f"find {LIBRARY} -name '*.pyc' | wc -l")) > 1000
    demo_becomes_ready(fresh)

    fresh.shell(f"echo '{{}}' > /etc/{NAME}/config.yaml\ntouch /var/lib/{NAME}/state.db")
    fresh.run("rpm", "--upgrade", "--nodeps", "--force", packages.rpm)
    assert fresh.run(NAME, "--version") == f"{NAME} {exporter.__version__}\n"

    fresh.run("rpm", "--erase", NAME)
    assert left(fresh) == [f"/etc/{NAME}", f"/var/lib/{NAME}"]
    assert fresh.run("cat", f"/etc/{NAME}/config.yaml") == "{}\n"
