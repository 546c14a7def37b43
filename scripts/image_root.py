"""Collects what a Python application needs of a Debian-based image: the interpreter, shared libraries, certificates.

The result is the root file system of an image without shell and package manager. The base image and the processor
architecture do not matter: the files are found by asking the interpreter, the dynamic loader and dpkg.
"""

import argparse
import compileall
import py_compile
import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

SKIPPED = (
    "__pycache__",
    "_ctypes_test*",
    "_curses*",  # with what needs a terminal
    "_dbm*",
    "_gdbm*",
    "_test*",
    "_tkinter*",
    "config-*",  # to compile extension modules
    "dist-packages",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "nis*",
    "pydoc_data",
    "readline*",
    "site-packages",
    "sitecustomize.py",  # of the distribution
    "test",
    "tests",
    "tkinter",
    "turtle*",
    "venv",
)
"""Parts of the standard library that a server does not use."""
LINKED_FOLDERS = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
"""Folders that are links into /usr, where they exist."""
LOADED_LATER = re.compile(r"lib(gcc_s|nss_(dns|files)|resolv)\.so\.\d+")
"""Libraries that the C library loads when it needs them."""
OWNER = re.compile(r"^(\S+?)(?:, \S+)*: /", re.MULTILINE)
"""The first package in a line of `dpkg -S`, such as `libc6:amd64: /usr/lib/…`."""
AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"
FILES = (AUTHORITIES, "etc/ld.so.conf", "etc/os-release", "etc/ssl/openssl.cnf", "usr/lib/os-release")
WRITTEN = {
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
    "etc/passwd": "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n",
}


class Root:
    """A root file system that is put together from files of the running one.

    Args:
        folder: where it is created.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.copied: set[Path] = set()

    def link_folders(self) -> None:
        """Create the same links into /usr as the running system has, such as /lib."""
        for name in LINKED_FOLDERS:
            if (original := Path("/", name)).is_symlink():
                target = self.path(original.readlink())
                target.mkdir(parents=True, exist_ok=True)
                (self._folder / name).symlink_to(original.readlink())

    def path(self, original: Path) -> Path:
        """Where a path of the running system is in this one."""
        return self._folder / str(original).lstrip("/")

    def add(self, original: Path) -> None:
        """Copy a file; for a link, also what it points to."""
        # Folders resolved, the file itself not: it may be a link.
        original = original.parent.resolve() / original.name
        if original in self.copied:
            return
        self.copied.add(original)
        target = self.path(original)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(original, target, follow_symlinks=False)
        if original.is_symlink():
            self.add(original.parent / original.readlink())

    def add_tree(self, original: Path) -> None:
        """Copy a folder, without `SKIPPED`."""
        shutil.copytree(
            original,
            self.path(original),
            symlinks=True,
            ignore=shutil.ignore_patterns(*SKIPPED),
            ignore_dangling_symlinks=True,
        )

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def link(self, name: str, target: str) -> None:
        """Create a symbolic link."""
        link = self._folder / name.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)


def libraries(binaries: Iterable[Path]) -> Iterator[Path]:
    """The shared libraries that programs and extension modules load, and the dynamic loader.

    Raises:
        SystemExit: a library is missing.
    """
    for binary in binaries:
        listed = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False)  # noqa: S603, S607
        for line in listed.stdout.splitlines():
            if "not found" in line:
                sys.exit(f"{binary} needs a library that is missing: {line.strip()}")
            if match := re.search(r"(/\S+) \(0x", line):
                yield Path(match[1])


def packages_of(files: Iterable[Path]) -> set[str]:
    """The Debian packages that files belong to."""
    found = set()
    for file in files:
        # Debian lists files under the path before /lib and others became links.
        for name in (str(file), str(file).removeprefix("/usr")):
            listed = subprocess.run(["dpkg", "-S", name], capture_output=True, text=True, check=False)  # noqa: S603, S607
            if match := OWNER.search(listed.stdout):
                found.add(match[1])
                break
    return found


def add_packages(root: Root, packages: Iterable[str]) -> None:
    """Keep licences and versions of Debian packages, the versions where vulnerability scanners read them."""
    for package in sorted(packages):
        name = package.partition(":")[0]
        status = subprocess.run(["dpkg", "-s", package], capture_output=True, check=True)  # noqa: S603, S607
        root.write(f"var/lib/dpkg/status.d/{name}", status.stdout)
        notice = Path("usr/share/doc", name, "copyright")
        if (original := Path("/", notice)).is_file():
            # Often in the folder of another package, to which a link leads.
            root.write(str(notice), original.read_bytes())


def add_interpreter(root: Root, environment: Path) -> None:
    """Copy the interpreter of a virtual environment and its standard library, compiled."""
    root.add(environment / "bin" / "python")
    folders = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")}
    for folder in folders:
        root.add_tree(folder)
        compile_all(root.path(folder), shown=folder)


def compile_all(folder: Path, *, shown: Path) -> None:
    """Compile modules now: later, the file system is read-only."""
    compileall.compile_dir(
        folder,
        quiet=2,
        stripdir=folder,
        prependdir=shown,
        # Neither time stamps nor the path of the build may decide whether a compiled file is used.
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def main() -> None:
    """Create a root file system for a virtual environment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("environment", type=Path, help="virtual environment with the application")
    parser.add_argument("folder", type=Path, help="root file system to create")
    arguments = parser.parse_args()

    root = Root(arguments.folder)
    root.link_folders()
    add_interpreter(root, arguments.environment)
    compile_all(arguments.environment, shown=arguments.environment)

    folders = (root.path(Path(sysconfig.get_path("platstdlib")).resolve()), arguments.environment)
    binaries = [Path(sys.executable).resolve(), *(file for folder in folders for file in folder.rglob("*.so*"))]
    needed = set(libraries(binaries))
    bundled = {file for file in needed if file.is_relative_to(arguments.environment)}
    system = needed - bundled
    for library in system:
        root.add(library)
    for folder in {library.resolve().parent for library in system}:
        for file in folder.iterdir():
            if LOADED_LATER.fullmatch(file.name):
                root.add(file)

    for name in FILES:
        if (file := Path("/", name)).exists():
            root.add(file)
    for file in Path("/etc/ld.so.conf.d").glob("*.conf"):
        root.add(file)
    for name, text in WRITTEN.items():
        root.write(name, text.encode())
    # Where OpenSSL looks for authorities, unless a variable names another file.
    root.link(ssl.get_default_verify_paths().openssl_cafile, f"/{AUTHORITIES}")
    # Time zones for the C library: those of the application's own package.
    packages = sysconfig.get_path("purelib", "venv", vars={"base": str(arguments.environment)})
    root.link("usr/share/zoneinfo", f"{packages}/tzdata/zoneinfo")
    add_packages(root, packages_of(root.copied))
    subprocess.run(["/sbin/ldconfig", "-r", arguments.folder], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
