"""Sockets from systemd: which descriptors are meant (sd_listen_fds(3)); the sockets are in the integration tests."""

from __future__ import annotations

import pytest

from exporter.web.activation import passed_descriptors


def test_descriptors_begin_with_3_and_the_variables_are_removed() -> None:
    environ = {"LISTEN_PID": "42", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b", "HOME": "/"}
    assert list(passed_descriptors(environ, 42)) == [3, 4]
    assert environ == {"HOME": "/"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_PID": "42"},
        {"LISTEN_PID": "41", "LISTEN_FDS": "1"},
        {"LISTEN_PID": "42", "LISTEN_FDS": "0"},
        {"LISTEN_PID": "42", "LISTEN_FDS": "-1"},
        {"LISTEN_PID": "x", "LISTEN_FDS": "1"},
        {"LISTEN_PID": "42", "LISTEN_FDS": ""},
    ],
)
def test_variables_for_another_process_or_without_meaning_are_ignored(environ: dict[str, str]) -> None:
    assert list(passed_descriptors(environ, 42)) == []
    assert environ == {}


def test_an_absurd_number_is_bounded() -> None:
    assert len(passed_descriptors({"LISTEN_PID": "42", "LISTEN_FDS": "999999999"}, 42)) == 64
