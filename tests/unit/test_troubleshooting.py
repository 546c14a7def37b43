"""docs/troubleshooting.md quotes what the exporter prints, and its commands exist and print no secret."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from exporter.metrics.families import ALL_FAMILIES
from exporter.model.state import Reason

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
OF_OPENSSL = {
    "unable to get local issuer certificate",
    "self-signed certificate",
    "Hostname mismatch, …",
    "IP address mismatch, …",
    "certificate has expired",
    "certificate is not yet valid",
}
"""Texts of OpenSSL that the exporter passes on; the tests of the client meet them."""


@pytest.fixture(scope="module")
def texts() -> str:
    """All texts in the code, a line each."""
    found = []
    for file in sorted((ROOT / "exporter").rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        found += [one.value for one in ast.walk(tree) if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return "\n".join(found)


def messages() -> list[str]:
    """Quoted lines, and the spans of code in the columns `message`."""
    found, in_table = re.findall(r"^> `([^`]+)`$", DOCUMENT, re.MULTILINE), False
    for line in map(str.strip, DOCUMENT.splitlines()):
        if not line.startswith("|"):
            in_table = False
        elif line.startswith("| message |"):
            in_table = True
        elif in_table:
            found += re.findall(r"`([^`]+)`", line.split("|")[1])
    return found


def test_messages_are_found_in_tables_and_quotes() -> None:
    assert len(messages()) > 30
    assert {"poll failed", "no list of users yet", "is not a regular file"} <= {*messages()}


@pytest.mark.parametrize("message", sorted({*messages()}))
def test_each_quoted_message_is_one_of_the_exporter(message: str, texts: str) -> None:
    if message.removeprefix("TLS: ") in OF_OPENSSL:
        return
    # The code keeps apart a problem and what to do about it.
    for part in re.split(r"…|; ", message):
        assert part.strip() in texts, part


def test_each_reason_of_a_failure_has_a_place_to_start() -> None:
    rows = [line.split("|")[1] for line in DOCUMENT.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {reason.value for reason in Reason} <= named


def test_metrics_that_are_named_exist() -> None:
    named = set(re.findall(r"\byunxiao_[a-z_]+[a-z]\b(?!_)", re.sub(r"grep -E '.*'", "", DOCUMENT)))
    assert named
    assert named <= {family.name for family in ALL_FAMILIES}


def test_the_password_of_a_proxy_is_removed_from_a_configuration() -> None:
    (expression,) = re.findall(r"sed -E '([^']+)' config\.yaml", DOCUMENT)
    password = "p@ss" + "/w0rd"
    for url, expected in (
        ("http://user:secret@proxy:3128", "http://***@proxy:3128"),
        (f"http://user:{password.replace('/', '%2F')}@proxy:3128", "http://***@proxy:3128"),
        ("https://acme.rdc.example.com", "https://acme.rdc.example.com"),
    ):
        done = subprocess.run(["sed", "-E", expression], input=url, capture_output=True, text=True, check=True)
        assert done.stdout == expected


def test_the_metrics_to_report_name_neither_users_nor_tokens() -> None:
    (expression,) = re.findall(r"grep -E '([^']+)' > metrics\.txt", DOCUMENT)
    chosen = [family for family in ALL_FAMILIES if re.match(expression, family.name)]
    assert len(chosen) > 20
    assert not [family.name for family in chosen if {"user", "user_id", "token"} & {*family.labels}]
