"""Starts the exporter with the modules that the package contains for the running Python."""
# Must be valid in every Python 3, so that a wrong one gets the message and no SyntaxError.  # ruff: noqa: INP001

import os
import sys

LIBRARY = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib takes longer to import
COMPILED = os.path.join(LIBRARY, "python{}.{}".format(*sys.version_info[:2]))  # noqa: PTH118 - the same


def main():  # type: ignore[no-untyped-def] # noqa: ANN201 - see above
    """Run the command."""
    if not os.path.isdir(COMPILED):  # noqa: PTH112 - the same
        versions = ", ".join(sorted(name for name in os.listdir(LIBRARY) if name.startswith("python")))  # noqa: PTH208
        message = "yunxiao-token-exporter: {} is Python {}.{}; the package has compiled modules for {} only\n"
        sys.stderr.write(message.format(sys.executable, *sys.version_info[:2], versions))
        sys.exit(2)
    # The folder of this file gives way to the two folders with modules, after the standard library.
    sys.path[:1] = []
    sys.path += [os.path.join(LIBRARY, "common"), COMPILED]  # noqa: PTH118 - the same
    sys.argv[0] = "yunxiao-token-exporter"
    # The folders belong to root: what installs the package compiles them, and what runs leaves no files.
    sys.dont_write_bytecode = True

    from exporter.cli import main as command  # noqa: PLC0415 - found only now

    command()


if __name__ == "__main__":
    main()
