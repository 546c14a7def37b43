"""A token that is replaced while the exporter runs: its successor is taken, and no user notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from integration.test_client import a_client
from support.running import ADMIN_TOKEN, SUCCESSOR, Exporter, a_record, a_simulator, command, wait_until, write_config

from exporter.common.secrets import Secret, SecretError, SecretFiles
from exporter.model.state import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.platform.yunxiao.simulator.server import Simulator


@pytest.fixture
def platform() -> Iterator[Simulator]:
    with a_simulator({f"u{number}": [a_record()] for number in range(40)}) as simulator:
        yield simulator


def files(folder: Path, *contents: str) -> list[Path]:
    paths = [folder / f"token-{number}" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(content)
    return paths


def test_the_next_token_is_tried_within_the_same_request_and_stays_in_use(platform: Simulator, tmp_path: Path) -> None:
    source = SecretFiles(files(tmp_path, "pt-dead_1", "pt-dead_2", ADMIN_TOKEN))
    with a_client(platform.url, source) as bench:
        assert len(bench.ask("u1")) == 1
        assert platform.requests("u1") == 3 + 3 + 1  # each refusal is confirmed
        assert len(bench.ask("u2")) == 1
        assert platform.requests("u2") == 1
        assert source.origin == str(tmp_path / "token-2")


def test_a_request_is_refused_only_if_all_tokens_are(platform: Simulator, tmp_path: Path) -> None:
    paths = files(tmp_path, "pt-dead_1", "pt-dead_2")
    source = SecretFiles(paths)
    with a_client(platform.url, source) as bench:
        assert bench.fails("u1").reason is Reason.UNAUTHORIZED
        assert platform.requests("u1") == 3 + 3
        assert bench.client.refused == (Secret("pt-dead_1"), Secret("pt-dead_2"))
        # Whichever file is fixed, it is found.
        paths[1].write_text(ADMIN_TOKEN)
        assert len(bench.ask("u2")) == 1
        assert platform.requests("u2") == 2
        platform.token = SUCCESSOR
        paths[0].write_text(SUCCESSOR)
        assert len(bench.ask("u3")) == 1
        assert source.origin == str(paths[0])


def test_other_failures_leave_the_token_alone(platform: Simulator, tmp_path: Path) -> None:
    source = SecretFiles(files(tmp_path, ADMIN_TOKEN, "pt-dead_2"))
    with a_client(platform.url, source) as bench:
        assert bench.fails("unknown").reason is Reason.NOT_FOUND
        assert platform.requests("unknown") == 1
        assert source.origin == str(tmp_path / "token-0")


def test_an_invalid_file_keeps_its_last_token_and_is_reported(tmp_path: Path) -> None:
    paths = files(tmp_path, "pt-a_1", "pt-b_2")
    source = SecretFiles(paths)
    assert source.successor([source.current()]) == Secret("pt-b_2")
    assert source.problem is None
    paths[1].unlink()
    # Told before it is needed.
    assert "token-1 cannot be read" in (source.problem or "")
    assert source.successor([source.current()]) == Secret("pt-b_2")
    paths[1].write_text("pt-b_2")
    assert source.problem is None
    paths[1].unlink()
    fresh = SecretFiles(paths)
    assert fresh.successor([Secret("pt-a_1")]) is None
    with pytest.raises(SecretError):
        SecretFiles(paths[::-1]).current()


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return files(tmp_path_factory.mktemp("three"), "pt-a_1", "pt-b_2", "pt-c_3")


TOKENS = [Secret("pt-a_1"), Secret("pt-b_2"), Secret("pt-c_3")]


@given(st.sampled_from(TOKENS), st.lists(st.sampled_from(TOKENS)))
def test_a_successor_is_never_one_that_was_refused(three: list[Path], in_use: Secret, refused: list[Secret]) -> None:
    source = SecretFiles(three)
    source.use(in_use)
    assert source.current() == in_use
    successor = source.successor(refused)
    assert successor not in refused
    assert (successor is None) == (set(refused) == set(TOKENS))


def test_a_rotation_during_a_sweep_fails_no_user(platform: Simulator, tmp_path: Path) -> None:
    files(tmp_path, ADMIN_TOKEN, SUCCESSOR)
    platform.faults.latency = 0.02
    config = write_config(
        tmp_path,
        platform,
        [f"u{number}" for number in range(40)],
        token_file=None,
        token_files=["token-0", "token-1"],
        limits={"concurrency": 2, "requests_per_second": None},
        poll={"interval": "1h", "stale_after": "2h"},
    )
    with Exporter(config) as exporter:
        wait_until(lambda: platform.requests() > 10)
        platform.token = SUCCESSOR
        assert platform.requests() < 30  # the sweep is under way
        exporter.ready()
        samples = exporter.samples()
        assert sorted(value for series, value in samples.items() if series.startswith("yunxiao_user_up")) == [1.0] * 40
        assert not [series for series in samples if series.startswith("yunxiao_user_failure")]
        assert samples['yunxiao_sweeps_total{organization="acme",result="success"}'] == 1
        refused = samples['yunxiao_api_requests_total{code="401",operation="list_tokens",organization="acme"}']
        # One for each worker at most, three to confirm it, and one for the check of the exporter's own token.
        assert 4 <= refused <= 6
        wait_until(lambda: "that of another file is in use" in exporter.output)
        assert "poll failed" not in exporter.output


def test_every_file_is_checked_when_the_configuration_is(platform: Simulator, tmp_path: Path) -> None:
    config = write_config(tmp_path, platform, ["u1"], token_file=None, token_files=["token", "next"])
    result = command("check-config", "--config.file", str(config))
    assert result.returncode == 1
    assert "organizations[0].token_files[1]: " in result.stderr
    assert "next cannot be read: No such file or directory" in result.stderr
    (tmp_path / "next").write_text(SUCCESSOR)
    assert command("check-config", "--config.file", str(config)).returncode == 0
    both = write_config(tmp_path, platform, ["u1"], token_files=["token", "next"])
    result = command("check-config", "--config.file", str(both))
    assert "needs exactly one of token_file, token_files and token_env" in result.stderr
