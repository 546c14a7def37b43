"""`python -m exporter` runs the command `yunxiao-token-exporter`."""

from exporter.cli import main

if __name__ == "__main__":
    main()
