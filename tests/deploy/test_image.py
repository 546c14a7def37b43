"""The image: built by buildah from a base that mmdebstrap makes, then run read-only under several users.

No registry is needed. The base has the Debian release and the Python version of the real one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import time
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import needed
from support.running import (
    ADMIN_TOKEN,
    ROOT,
    Running,
    a_simulator,
    free_port,
    get,
    keep,
    samples_of,
    wait_until,
    write_config,
)

from exporter import __version__
from exporter.platform.yunxiao.simulator.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

pytestmark = pytest.mark.timeout(600)

NOBODY = (65534, 65534)
OPENSHIFT = (1000710000, 0)
"""Any user id, and group 0."""
LARGEST = 120_000_000
DEBIAN = "trixie"
PACKAGES = "python3,python3-venv,python-is-python3,ca-certificates,libstdc++6"
"""What the real base has as well: libstdc++6 comes with its apt."""
STATE = "var/lib/yunxiao-token-exporter"
CONFIG = "etc/yunxiao-token-exporter"
RUNBOOKS = ROOT / "docs/runbooks"
HOME = "https://github.com/yunxiao-token-exporter/yunxiao-token-exporter"

# As a container runtime does it: the root is read-only, and the process runs without privileges and cannot gain any.
CONTAINED = """
set -e
root=$1 folder=$2 user=$3 group=$4 config=$5 state=$6; shift 6
mount --bind "$root" "$root"
[ -z "$config" ] || mount --bind -o ro "$config" "$root/etc/yunxiao-token-exporter"
[ -z "$state" ] || mount --bind "$state" "$root/var/lib/yunxiao-token-exporter"
mount --bind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
exec /usr/bin/setpriv --no-new-privs \\
    /usr/bin/unshare --root="$root" --wd="$folder" --setuid="$user" --setgid="$group" "$@"
"""


@dataclass(frozen=True)
class Image:
    """A built image.

    Attributes:
        root: its files.
        config: how containers are started.
        log: what the builder printed.
    """

    root: Path
    config: dict[str, Any]
    log: str

    @property
    def environment(self) -> dict[str, str]:
        return dict(variable.split("=", 1) for variable in self.config["Env"])

    def command(
        self,
        user: tuple[int, int],
        *arguments: str,
        config: Path | str = "",
        state: Path | str = "",
    ) -> list[str]:
        """The command line that runs one in a container."""
        spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        given = [self.root, self.config["WorkingDir"], *user, config, state]
        return [*spaces, "/bin/sh", "-c", CONTAINED, "sh", *map(str, given), *arguments]

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """The output of a program in a container of its own."""
        result: subprocess.CompletedProcess[str] = subprocess.run(
            self.command(OPENSHIFT, *arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**self.environment, **(env or {})},
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


class Container(Running):
    """The image's entry point with arguments."""

    def __init__(
        self, image: Image, user: tuple[int, int], *arguments: str, config: Path | str = "", state: Path | str = ""
    ) -> None:
        self.image = image
        self.user = user
        entry = image.config["Entrypoint"]
        # The test's own environment is not the container's.
        only = {name: "" for name in os.environ if name.startswith(("PYTHON", "YUNXIAO"))}
        super().__init__(
            image.command(user, *entry, *arguments, config=config, state=state), env=only | image.environment
        )

    @property
    def main_process(self) -> int:
        """The process id of the container's PID 1, as seen from outside."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(children.read_text().split()[0])

    def __exit__(self, *details: object) -> None:
        # `unshare` waits for its child whatever signal it gets.
        with contextlib.suppress(IndexError, OSError):
            os.kill(self.main_process, signal.SIGKILL)
        super().__exit__(*details)

    def answers(self, url: str) -> bool:
        assert self.process.poll() is None, self.output
        try:
            return get(url).status_code == 200
        except OSError:
            return False

    def healthcheck(self, *arguments: str) -> tuple[int, str]:
        """Run the image's health check in the container, as a runtime does: exit code and output."""
        enter = ["nsenter", "--target", str(self.main_process), "--mount", "--pid", "--root", "--wd"]
        who = [f"--setuid={self.user[0]}", f"--setgid={self.user[1]}"]
        kind, *check = self.image.config["Healthcheck"]["Test"]
        assert kind == "CMD"
        result = subprocess.run(
            [*enter, *who, *check, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            env=self.image.environment,
        )
        assert result.stderr == ""
        return result.returncode, result.stdout


def run(arguments: Sequence[str | Path], **options: Any) -> str:
    """The output of a command that must succeed."""
    result: subprocess.CompletedProcess[str] = subprocess.run(
        arguments, capture_output=True, text=True, check=False, timeout=400, **options
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    return result.stdout + result.stderr


def mirror() -> list[str]:
    """Where this machine gets Debian's packages from, if that is known."""
    listed = run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"])
    return listed.split()[:1]


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    folder = tmp_path_factory.mktemp("image")
    storage = ["--root", folder / "store", "--runroot", folder / "run", "--storage-driver", "vfs"]
    buildah = [needed("buildah"), *map(str, storage)]
    isolated = {"env": {**os.environ, "BUILDAH_ISOLATION": "chroot"}}
    archive = folder / "base.tar"
    base = "localhost/python:base"
    run([needed("mmdebstrap"), "--variant=essential", f"--include={PACKAGES}", DEBIAN, archive, *mirror()])
    container = run([*buildah, "from", "scratch"]).strip()
    run([*buildah, "add", "--quiet", container, archive, "/"])
    run([*buildah, "commit", "--quiet", "--rm", container, base])
    archive.unlink()
    # This machine's authorities and index of packages.
    mounted = [f"--volume={path}:{path}:ro" for path in ("/etc/ssl/certs", "/etc/pip.conf") if Path(path).exists()]
    built = run(
        [ROOT / "scripts/build-image.sh", "tested:1", "--pull=never", "--network=host", *mounted],
        env=isolated["env"] | {"BUILDER": " ".join(buildah), "PYTHON_IMAGE": base, "SOURCE_DATE_EPOCH": "1780000000"},
    )
    keep("image build", built.encode())
    container = run([*buildah, "from", "--pull-never", "localhost/tested:1"]).strip()
    root = Path(run([*buildah, "mount", container]).strip())
    described = json.loads(run([*buildah, "inspect", "localhost/tested:1"]))
    yield Image(root, described["Docker"]["config"], built)
    shutil.rmtree(folder, ignore_errors=True)


def files(image: Image) -> Iterator[Path]:
    return (path for path in image.root.rglob("*") if path.is_file() and not path.is_symlink())


def test_how_containers_are_started(image: Image) -> None:
    config = image.config
    assert config["User"] == "65534:65534"
    assert config["WorkingDir"] == f"/{CONFIG}"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == ["/opt/exporter/bin/yunxiao-token-exporter"]
    assert config["Cmd"] == ["serve", "--config.file", f"/{CONFIG}/config.yaml"]
    assert list(config["ExposedPorts"]) == ["10097/tcp"]
    assert config["Healthcheck"]["Interval"] == 30 * 10**9
    assert image.run("yunxiao-token-exporter", "--version") == f"yunxiao-token-exporter {__version__}\n"


def test_labels_name_version_and_source(image: Image) -> None:
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in image.config["Labels"].items()}
    assert labels["title"] == "yunxiao-token-exporter"
    assert labels["version"] == __version__
    assert labels["source"] == HOME
    assert labels["licenses"] == "Apache-2.0"
    # 1780000000 in UTC.
    assert labels["created"] == "2026-05-28T20:26:40Z"
    if (ROOT / ".git").exists():
        commit = run(["git", "rev-parse", "HEAD"], cwd=ROOT).strip()
        assert labels["revision"].removesuffix("-dirty") == commit


def test_it_is_small(image: Image) -> None:
    sizes: Counter[str] = Counter()
    for one in files(image):
        sizes[one.relative_to(image.root).parts[0]] += one.stat().st_size
    total = sum(sizes.values())
    print(f"{total / 1e6:.1f} MB:", {folder: f"{size / 1e6:.1f}" for folder, size in sizes.most_common()})
    assert total < LARGEST


def test_it_has_no_tool_that_only_an_intruder_needs(image: Image) -> None:
    programs = {one.name for one in files(image) if one.stat().st_mode & stat.S_IXUSR and "bin" in one.parts}
    assert programs == {"yunxiao-token-exporter", "python3.13"}
    names = {one.name for one in image.root.rglob("*")}
    assert names & {"sh", "apt", "pip", "setuptools", "ensurepip", "tests", ".cache", "__editable__"} == set()
    assert [one for one in files(image) if one.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)] == []
    assert [one for one in image.root.rglob("*") if one.stat(follow_symlinks=False).st_uid not in {0, 65534}] == []


def test_only_the_state_and_temporary_files_can_be_written(image: Image) -> None:
    folders = [one for one in image.root.rglob("*") if one.is_dir() and not one.is_symlink()]
    modes = {
        str(one.relative_to(image.root)): (stat.S_IMODE(one.stat().st_mode), one.stat().st_uid, one.stat().st_gid)
        for one in folders
        if one.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    }
    assert modes == {STATE: (0o770, 65534, 0), "tmp": (0o1777, 0, 0)}
    assert [one for one in files(image) if one.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)] == []


def test_links_lead_somewhere(image: Image) -> None:
    for link in (one for one in image.root.rglob("*") if one.is_symlink()):
        target = link.readlink()
        inside = image.root / str(target).lstrip("/") if target.is_absolute() else link.parent / target
        assert inside.exists() or inside.is_symlink(), link


COMPILED_AT_IMPORT = """
import sys
compiled = []
sys.addaudithook(lambda event, given: compiled.append(str(given[1])) if event == "compile" else None)
import exporter.app.daemon, exporter.cli, sqlite3, ssl
# anyio reads its own source for lazy imports.
print([file for file in compiled if file.endswith(".py") and "/anyio/" not in file])
"""


def test_every_module_is_compiled(image: Image) -> None:
    """The root is read-only: what is not compiled now would be compiled at each start."""
    uncompiled = [
        one
        for one in files(image)
        if one.suffix == ".py"
        and "bin" not in one.parts
        and not list((one.parent / "__pycache__").glob(f"{one.stem}.cpython-*.pyc"))
    ]
    assert uncompiled == []
    program = ("/opt/exporter/bin/python", "-c", COMPILED_AT_IMPORT)
    assert image.run(*program) == "[]\n"
    # That is what it shows if there are no compiled files.
    assert "exporter/app/daemon.py" in image.run(*program, env={"PYTHONPYCACHEPREFIX": "/nonexistent"})


LOAD_ALL = """
import importlib, pathlib, sys
(folder,) = [path for path in sys.path if path.endswith("lib-dynload")]
names = {file.name.split(".")[0] for file in pathlib.Path(folder).iterdir()}
names |= {"sqlite3", "ssl", "zlib", "lzma", "bz2", "hashlib", "ctypes", "uuid", "zoneinfo", "exporter.app.daemon"}
names |= {"re2", "isal.igzip", "bcrypt", "msgspec", "yaml.cyaml", "pydantic_core", "redis", "xlsxwriter", "sdnotify"}
for name in sorted(names - {"__pycache__"}):
    importlib.import_module(name)
print(len(names))
"""


def test_every_extension_module_finds_its_libraries(image: Image) -> None:
    assert int(image.run("/opt/exporter/bin/python", "-c", LOAD_ALL)) >= 30


def test_time_zones_and_authorities_are_there(image: Image) -> None:
    program = """
import ssl, time, zoneinfo, datetime
print(time.strftime("%z"), datetime.datetime(2026, 1, 1, tzinfo=zoneinfo.ZoneInfo("Asia/Shanghai")).utcoffset())
print(ssl.create_default_context().cert_store_stats()["x509_ca"] > 100)
"""
    shown = image.run("/opt/exporter/bin/python", "-c", program, env={"TZ": "Asia/Shanghai"})
    assert shown == "+0800 8:00:00\nTrue\n"


def test_scanners_and_lawyers_find_what_is_in_it(image: Image) -> None:
    packages = sorted((image.root / "var/lib/dpkg/status.d").iterdir())
    assert {"libc6", "libssl3t64", "libsqlite3-0"} <= {one.name for one in packages}
    for package in packages:
        assert re.search(r"^Version: \S+$", package.read_text(), re.MULTILINE)
        assert (image.root / "usr/share/doc" / package.name / "copyright").is_file(), package.name
    assert 'VERSION_ID="13"' in (image.root / "etc/os-release").read_text()
    (found,) = image.root.glob("opt/exporter/lib/python3*/site-packages/yunxiao_token_exporter-*.dist-info")
    assert found.name == f"yunxiao_token_exporter-{__version__}.dist-info"
    assert (found / "licenses/LICENSE").is_file()


def test_the_documents_that_the_exporter_serves_are_in_it(image: Image) -> None:
    (package,) = image.root.glob("opt/exporter/lib/python3*/site-packages/exporter")
    shipped = {str(one.relative_to(package / "docs")) for one in (package / "docs").rglob("*.md")}
    pages = {f"runbooks/{one.relative_to(RUNBOOKS)}" for one in RUNBOOKS.rglob("*.md")}
    assert shipped == pages | {"platform.md", "zh/platform.md"}


@pytest.mark.parametrize("user", [NOBODY, OPENSHIFT])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_demo_runs_read_only_as_pid_1(image: Image, user: tuple[int, int], number: signal.Signals) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    started = time.monotonic()
    with Container(image, user, "demo", "--web.listen-address", url.removeprefix("http://")) as container:
        wait_until(lambda: container.answers(f"{url}/-/healthy"))
        print(f"first answer after {time.monotonic() - started:.1f} s")
        wait_until(lambda: container.answers(f"{url}/-/ready"), within=30)
        # Address and port are those of the main process.
        assert container.healthcheck() == (0, "healthy\n")
        assert container.healthcheck("--ready") == (0, "ready\n")
        status = Path(f"/proc/{container.main_process}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["NSpid"].split()[-1] == "1"
        assert fields["Uid"].split() == [str(user[0])] * 4
        assert (fields["CapEff"], fields["NoNewPrivs"]) == ("0" * 16, "1")
        asked = time.monotonic()
        os.kill(container.main_process, number)
        assert container.ended() == 0
        assert time.monotonic() - asked < 5


def a_volume(image: Image, folder: Path) -> Path:
    """An empty volume: at its first use, it takes owner and mode from the image."""
    original = (image.root / STATE).stat()
    folder.mkdir()
    os.chown(folder, original.st_uid, original.st_gid)
    folder.chmod(stat.S_IMODE(original.st_mode))
    return folder


def readable_by(user: tuple[int, int], folder: Path) -> None:
    for one in [folder, *folder.iterdir()]:
        os.chown(one, *user)


@pytest.mark.parametrize("user", [NOBODY, OPENSHIFT])
def test_a_real_organization_keeps_its_state_in_a_volume(image: Image, tmp_path: Path, user: tuple[int, int]) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    state = a_volume(image, tmp_path / "state")
    address = f"127.0.0.1:{free_port()}"
    with a_simulator({"A": [], "B": []}) as platform:
        file = write_config(folder, platform, "AB", poll={"timeout": "30s"})
        file.write_text(file.read_text() + f"storage: {{path: /{STATE}/state.db}}\n")
        readable_by(user, folder)
        (folder / "token").chmod(0o400)
        arguments = [*image.config["Cmd"], "--web.listen-address", address]
        with Container(image, user, *arguments, config=folder, state=state) as container:
            wait_until(lambda: container.answers(f"http://{address}/-/ready"))
            samples = samples_of(get(f"http://{address}/metrics").text)
            assert samples['yunxiao_users{organization="acme"}'] == 2
            # A stop in the middle of a poll.
            platform.faults.for_user("B", Fault.parse("hang"))
            wait_until(lambda: platform.requests("B") >= 2)
            asked = time.monotonic()
            os.kill(container.main_process, signal.SIGTERM)
            assert container.ended() == 0
            assert time.monotonic() - asked < 5
        written = (state / "state.db").stat()
        assert (written.st_uid, stat.S_IMODE(written.st_mode) & 0o077) == (user[0], 0)
        # The platform is gone, but the state is known again.
    with Container(image, user, *arguments, config=folder, state=state) as container:
        wait_until(lambda: container.answers(f"http://{address}/-/ready"))
        os.kill(container.main_process, signal.SIGTERM)
        assert container.ended() == 0


def test_tls_and_a_password_do_not_make_it_unhealthy(image: Image, tmp_path: Path) -> None:
    import trustme  # noqa: PLC0415

    folder = tmp_path / "config"
    folder.mkdir()
    address = f"127.0.0.1:{free_port()}"
    issued = trustme.CA().issue_cert("localhost")
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    web = {
        "tls_server_config": {"cert_file": "cert.pem", "key_file": "key.pem"},
        "basic_auth_users": {"prometheus": "$2b$04$" + "." * 53},
    }
    (folder / "web.yml").write_text(yaml.safe_dump(web))
    with a_simulator({"A": []}) as platform:
        write_config(folder, platform, "A")
        readable_by(NOBODY, folder)
        flags = ["--web.config.file=web.yml", f"--web.listen-address={address}"]
        with Container(image, NOBODY, *image.config["Cmd"], *flags, config=folder) as container:
            wait_until(lambda: container.process.poll() is not None or "msg=listening" in container.output)
            assert container.process.poll() is None, container.output
            code, line = container.healthcheck()
            assert (code, "asks for a password" in line) == (0, True), line


def test_a_secret_that_the_user_may_not_read_is_named(image: Image, tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    write_config(folder, "http://127.0.0.1:1", "A")
    (folder / "token").chmod(0o400)
    with Container(image, NOBODY, *image.config["Cmd"], config=folder) as container:
        assert container.ended(20) == 1
        assert (
            f"/{CONFIG}/token cannot be read: Permission denied; check that uid 65534 may read it" in container.output
        )
        assert ADMIN_TOKEN not in container.output


def test_without_a_configuration_it_says_what_is_missing(image: Image) -> None:
    with Container(image, NOBODY, *image.config["Cmd"]) as container:
        assert container.ended(20) == 1
        assert f"/{CONFIG}/config.yaml" in container.output


def test_the_build_needs_no_default_index(image: Image) -> None:
    """Dependencies come as wheels or are built with pinned tools; nothing is downloaded without a hash."""
    assert "Installing build dependencies" not in image.log
    assert "Building wheel for sdnotify" in image.log


def test_the_base_is_pinned_and_can_be_replaced() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    (base,) = [line.removeprefix("ARG PYTHON_IMAGE=") for line in lines if line.startswith("ARG PYTHON_IMAGE=")]
    assert re.fullmatch(r"\$\{REGISTRY\}/library/python:3\.13-slim@sha256:[0-9a-f]{64}", base)
    assert [line.split()[1] for line in lines if line.startswith("FROM ")] == ["${PYTHON_IMAGE}", "scratch"]


def test_the_tools_that_build_wheels_are_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    # Without build isolation, pip installs no tools itself. setuptools builds sdnotify.
    needed_tools = {*project["build-system"]["requires"], "setuptools"}
    assert needed_tools == set(project["dependency-groups"]["build"])
    pinned = re.findall(r"^(\S+)==\S+ \\$", (ROOT / "requirements-build.lock").read_text(), re.MULTILINE)
    assert needed_tools <= set(pinned)


def test_hadolint_finds_nothing() -> None:
    found = subprocess.run(
        [needed("hadolint"), "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (found.stdout, found.returncode) == ("", 0)


def test_without_a_builder_the_script_says_what_to_install(tmp_path: Path) -> None:
    for name in ("bash", "dirname", "sed"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    result = subprocess.run(
        ["/bin/bash", ROOT / "scripts/build-image.sh"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith("no builder of images works: install buildah, podman or docker")
