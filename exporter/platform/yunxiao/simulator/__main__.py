"""``python -m exporter.platform.yunxiao.simulator``: the simulated platform alone, and a configuration that fits it."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from exporter.platform.yunxiao.simulator.enterprise import Enterprise
from exporter.platform.yunxiao.simulator.envelopes import ENVELOPES
from exporter.platform.yunxiao.simulator.faults import Fault, FaultKind
from exporter.platform.yunxiao.simulator.lively import Lively
from exporter.platform.yunxiao.simulator.quirks import usage
from exporter.platform.yunxiao.simulator.server import Simulator


def main(
    users: Annotated[int, typer.Option(help="How many users to make up.", min=0, max=100_000)] = 25,
    seed: Annotated[int, typer.Option(help="The same seed makes the same people.")] = 1,
    port: Annotated[int, typer.Option(help="Port on loopback; 0 for a free one.", min=0, max=65535)] = 0,
    latency: Annotated[float, typer.Option(help="Seconds that each answer takes.", min=0)] = 0.02,
    per_second: Annotated[float | None, typer.Option(help="Requests a second above which the answer is 429.")] = None,
    fail_user: Annotated[
        list[str] | None,
        typer.Option(
            help="NUMBER=FAULT or PATH=FAULT: a fault for the user of that number, or for a path below /oapi/v1, such "
            "as 3=500, 4=hang or /platform/users=403."
        ),
    ] = None,
    fail_rate: Annotated[
        list[str] | None, typer.Option(help="SHARE=FAULT: a fault for this share of all requests, such as 0.1=reset.")
    ] = None,
    quirk: Annotated[
        list[str] | None,
        typer.Option(help="An oddity of the answers, such as wrong_next_page, empty_page=2 or dates=compact."),
    ] = None,
    write_config: Annotated[
        Path | None, typer.Option(help="Folder for config.yaml, users.yaml and the token file that match.")
    ] = None,
    *,
    lively: Annotated[
        bool, typer.Option("--lively", help="Tokens are created, changed and deleted; users join, leave and fail.")
    ] = False,
) -> None:
    """Serve a simulated enterprise on loopback until SIGTERM or Ctrl-C."""
    start = time.time()
    enterprise = Enterprise(users, seed, base=start)
    simulator = Simulator(
        enterprise, port=port, lively=Lively(enterprise, seed, start=start, now=time.time) if lively else None
    )
    simulator.faults.latency = latency
    simulator.faults.per_second = per_second
    people = simulator.enterprise.users()
    try:
        for text in fail_user or []:
            number, _, fault = text.partition("=")
            subject = number if number.startswith("/") else people[_natural(number)].user_id
            simulator.faults.for_user(subject, Fault.parse(fault))
        for text in fail_rate or []:
            share, _, fault = text.partition("=")
            simulator.faults.at_rate(float(share), Fault.parse(fault))
        for text in quirk or []:
            simulator.faults.quirks = simulator.faults.quirks.with_one(text)
    except (ValueError, IndexError) as error:
        raise typer.BadParameter(str(error)) from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with simulator:
        if write_config is not None:
            _write(write_config, simulator, discover=lively)
            typer.echo(f"Configuration: {write_config / 'config.yaml'}")
        typer.echo(f"Simulated platform with {users} users: {simulator.url}")
        try:
            signal.pause()
        except KeyboardInterrupt:
            typer.echo(f"{simulator.requests()} requests, at most {simulator.busiest_second()} in a second")


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not a user number; the first one is 0")
    return int(text)


def _write(folder: Path, simulator: Simulator, *, discover: bool) -> None:
    """Write the files of a configuration; with discovery if users come and go."""
    folder.mkdir(parents=True, exist_ok=True)
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(simulator.token + "\n", encoding="utf-8")
    people = [{"id": user.user_id, "name": user.name} for user in simulator.enterprise.users()]
    # JSON is YAML, and quoted throughout.
    lines = ",\n".join(json.dumps(person, ensure_ascii=False) for person in people)
    (folder / "users.yaml").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    users_from = "discover: {source: users, interval: 20s}" if discover else "files: [users.yaml]"
    (folder / "config.yaml").write_text(
        f"""poll: {{interval: 15s, timeout: 5s, stale_after: 1m, spread: false}}
organizations:
  - name: simulated
    endpoint: {simulator.url}
    token_file: token
    limits: {{requests_per_second: null, concurrency: 32}}
    users: {{{users_from}}}
""",
        encoding="utf-8",
    )


_HELP = f"""Serve a simulated enterprise on loopback until SIGTERM or Ctrl-C.

Faults: a status such as 500, which an error code and a message may follow (403:Forbidden:no permission), or one of
{", ".join(kind for kind in FaultKind if kind is not FaultKind.STATUS)}. With an argument: redirect:URL, body:TEXT,
envelope:NAME or envelope:NAME:STATUS.

Envelopes: {", ".join(ENVELOPES)}.

Quirks: {", ".join(usage())}.
"""

if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command(help=_HELP)(main)
    app()
