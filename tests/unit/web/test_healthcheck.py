"""What the health check finds out about an exporter, and what its answers mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.healthcheck import Answer, Health, Target, judged, parsed, server_arguments, target_of

ADDRESS = "YUNXIAO_TOKEN_EXPORTER_WEB_LISTEN_ADDRESS"
WEB_CONFIG = "YUNXIAO_TOKEN_EXPORTER_WEB_CONFIG_FILE"


def command_line(*words: str) -> bytes:
    """As in /proc/<pid>/cmdline."""
    return "".join(f"{word}\0" for word in words).encode()


@pytest.mark.parametrize(
    "program",
    [
        ["/opt/exporter/bin/python", "/opt/exporter/bin/yunxiao-token-exporter"],
        ["python3", "-m", "exporter"],
        # docker run --init
        ["/sbin/docker-init", "--", "/opt/exporter/bin/yunxiao-token-exporter"],
    ],
)
@pytest.mark.parametrize("name", ["serve", "demo"])
def test_the_main_process_shows_its_flags(program: list[str], name: str) -> None:
    flags = ["--web.listen-address", ":8080"]
    assert server_arguments(command_line(*program, name, *flags)) == flags


@pytest.mark.parametrize(
    "words",
    [
        ["/sbin/init"],
        ["/usr/bin/yunxiao-token-exporter", "tokens"],
        ["/usr/bin/yunxiao-token-exporter"],
        ["python3", "-m", "http.server", "serve"],
        ["/pause"],
    ],
)
def test_other_main_processes_show_none(words: list[str]) -> None:
    assert server_arguments(command_line(*words)) is None


@given(st.binary(max_size=60))
def test_any_command_line_can_be_read(content: bytes) -> None:
    assert server_arguments(content) is None


@pytest.mark.parametrize(
    ("arguments", "environ", "target"),
    [
        ([], {}, Target(":10097", None)),
        (["--web.listen-address", ":8080"], {}, Target(":8080", None)),
        (["--web.listen-address=[::1]:1", "--web.listen-address=:2"], {}, Target("[::1]:1", None)),
        (
            [],
            {ADDRESS: "127.0.0.1:1 127.0.0.1:2", WEB_CONFIG: "/etc/web.yml"},
            Target("127.0.0.1:1", Path("/etc/web.yml")),
        ),
        # A flag overrides its variable.
        (
            ["--web.listen-address", ":3", "--web.config.file=w"],
            {ADDRESS: ":1", WEB_CONFIG: "x"},
            Target(":3", Path("w")),
        ),
        (["--web.listen-address"], {}, Target(":10097", None)),
        (["--web.listen-address-other=:1"], {ADDRESS: "", WEB_CONFIG: ""}, Target(":10097", None)),
    ],
)
def test_flags_and_variables_say_where_the_exporter_listens(
    arguments: list[str], environ: dict[str, str], target: Target
) -> None:
    assert target_of(arguments, environ) == target


def test_an_answer_is_read() -> None:
    received = b"HTTP/1.1 503 Service Unavailable\r\nlocation: /no\r\n\r\nNot healthy: sweeps.\nmore\n"
    assert parsed(received) == Answer(503, "/no", "Not healthy: sweeps.")


def test_what_another_program_sends_cannot_control_a_terminal() -> None:
    assert parsed(b"HTTP/1.0 200 OK\r\n\r\n\x1b]0;x\x07" + "张三\r\nrest".encode()).text == "\ufffd]0;x\ufffd张三"


def test_a_redirect_to_another_host_is_not_followed() -> None:
    assert parsed(b"HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\n\r\n").location is None


@pytest.mark.parametrize("received", [b"", b"\x15\x03\x01\x00\x02\x02", b"SSH-2.0-OpenSSH\r\n"])
def test_other_protocols_are_not_answers(received: bytes) -> None:
    with pytest.raises(ValueError, match="not HTTP"):
        parsed(received)


@pytest.mark.parametrize(
    ("status", "healthy", "ready"),
    [
        (200, True, True),
        # It answers, so it is alive; whether it is ready stays unknown.
        (401, True, False),
        (429, True, False),
        (404, False, False),
        (500, False, False),
        (503, False, False),
    ],
)
def test_what_a_status_means(status: int, *, healthy: bool, ready: bool) -> None:
    answer = Answer(status, None, "")
    assert (judged(answer, ready=False).fine, judged(answer, ready=True).fine) == (healthy, ready)


def test_the_reason_is_shown() -> None:
    shown = judged(Answer(503, None, "Not healthy: the thread sweep has ended."), ready=False)
    assert shown == Health(fine=False, line="status 503: Not healthy: the thread sweep has ended.")
