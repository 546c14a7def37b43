from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from support.builders import DAY, NOW, a_key, a_token

from exporter.app.probe_checks import Checks, Discovered, Subject, Verdict
from exporter.common.cancellation import Stop
from exporter.common.secrets import Secret, SecretValue
from exporter.model.state import Failure, Reason
from exporter.model.token import NEVER
from exporter.model.user import User
from exporter.platform.base import ApiError, Caller, Refusal, TokenListing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.model.ssh_key import SshKey
    from exporter.model.token import Token

OWN = a_token("pt-own", expires_in=60 * DAY)
GOOD, WARNING, FAILED = Verdict.GOOD, Verdict.WARNING, Verdict.FAILED
OWN_FINE = (GOOD, "own token: pt-own expires in 60d, at 2026-07-31T08:00:00+08:00 (Asia/Shanghai)")
"""2026-06-01T00:00:00Z and 60 days are 2026-07-31T00:00:00Z, 8 o'clock in Shanghai."""
CALLER = (GOOD, "caller: 管理员 (a1)")


@dataclass
class ScriptedPlatform:
    """Answers from a table; every other user has no tokens."""

    tokens: dict[str, Sequence[Token] | ApiError] = field(default_factory=dict)
    owner: Caller | ApiError = field(default_factory=lambda: Caller("a1", "管理员"))
    keys: Sequence[SshKey] | ApiError = ()
    asked: list[str] = field(default_factory=list)

    def caller(self, stop: Stop) -> Caller:  # noqa: ARG002
        if isinstance(self.owner, ApiError):
            raise self.owner
        return self.owner

    def list_tokens(self, user_id: str, stop: Stop) -> TokenListing:  # noqa: ARG002
        self.asked.append(user_id)
        answer = self.tokens.get(user_id, [OWN] if user_id == "a1" else [])
        if isinstance(answer, ApiError):
            raise answer
        return TokenListing(tuple(answer))

    def list_ssh_keys(self, user_id: str, stop: Stop) -> tuple[SshKey, ...]:  # noqa: ARG002
        self.asked.append(f"keys of {user_id}")
        if isinstance(self.keys, ApiError):
            raise self.keys
        return tuple(self.keys)


def findings(
    platform: ScriptedPlatform,
    *ids: str,
    discover: Callable[[], Discovered] | None = None,
    rate: float | None = None,
    ssh_keys: bool = False,
) -> list[tuple[Verdict, str]]:
    users = tuple(User(one, f"name of {one}") for one in ids)
    source = SecretValue(Secret("pt-own_secret"))
    subject = Subject(platform, source, users, discover, ZoneInfo("Asia/Shanghai"), 14 * DAY, rate)
    if ssh_keys:
        subject = replace(subject, ssh_keys=platform)
    return [(one.verdict, one.text) for one in Checks(subject, Stop(), lambda: NOW).run()]


def test_every_listed_user_is_asked_for() -> None:
    platform = ScriptedPlatform({"u1": [a_token("pt-1"), a_token("pt-2")], "u2": [], "u3": [a_token("pt-3")]})
    assert findings(platform, "u1", "u2", "u3") == [
        CALLER,
        OWN_FINE,
        (GOOD, "tokens: 3 of 3 users can be polled, they have 3 token(s)"),
    ]
    assert platform.asked == ["a1", "u1", "u2", "u3"]


def test_a_single_user_is_named() -> None:
    assert findings(ScriptedPlatform({"u1": [a_token()]}), "u1")[2:] == [(GOOD, "tokens of name of u1 (u1): 1")]


def test_each_user_that_is_unknown_masked_or_refused_is_named_and_a_reason_is_explained_once() -> None:
    platform = ScriptedPlatform(
        {
            "u1": [a_token()],
            "u2": ApiError(Reason.NOT_FOUND, "HTTP 404 NotFound"),
            "u3": ApiError(Reason.NOT_FOUND, "HTTP 404 NotFound"),
            "u4": ApiError(Reason.FORBIDDEN, "HTTP 403 Forbidden"),
        }
    )
    assert findings(platform, "u1", "u2", "u3", "u4", "3001****-41ad")[2:] == [
        (FAILED, "tokens of name of 3001****-41ad (3001****-41ad): the id is masked; write the whole id"),
        (
            FAILED,
            f"tokens of name of u2 (u2): failed: not_found: HTTP 404 NotFound; {Reason.NOT_FOUND.meaning}",
        ),
        (FAILED, "tokens of name of u3 (u3): failed: not_found: HTTP 404 NotFound"),
        (
            FAILED,
            f"tokens of name of u4 (u4): failed: forbidden: HTTP 403 Forbidden; {Reason.FORBIDDEN.meaning}",
        ),
        (GOOD, "tokens: 1 of 5 users can be polled, they have 1 token(s)"),
    ]
    assert "3001****-41ad" not in platform.asked


def test_empty_lists_of_all_listed_users_give_a_warning() -> None:
    warning = (
        "tokens: the platform lists no token of 2 listed user(s); it may answer so for ids that it does not know: "
        "check that they are user ids, not ids of members, staff ids or login names"
    )
    assert findings(ScriptedPlatform(), "u1", "u2")[2:] == [
        (GOOD, "tokens: 2 of 2 users can be polled, they have 0 token(s)"),
        (WARNING, warning),
    ]


@pytest.mark.parametrize(
    ("listed", "found", "warned"),
    [
        # The platform itself lists u1, so the id is right.
        ("u1", ("u1",), False),
        ("u1", ("u2",), True),
        # The tokens of a discovered user do not make a listed id right.
        ("u1", ("u3",), True),
    ],
)
def test_empty_lists_are_suspicious_for_ids_that_discovery_did_not_find(
    listed: str, found: tuple[str, ...], *, warned: bool
) -> None:
    users = tuple(User(one, one) for one in found)
    platform = ScriptedPlatform({"u3": [a_token()]})
    verdicts = [
        one for one, _ in findings(platform, listed, discover=lambda: Discovered(users, None, allow_empty=False))
    ]
    assert (WARNING in verdicts) is warned


def test_an_empty_list_of_a_discovered_user_gives_no_warning() -> None:
    users = tuple(User(f"u{number}", f"n{number}") for number in range(7))
    platform = ScriptedPlatform()
    assert findings(platform, discover=lambda: Discovered(users, None, allow_empty=False))[2:] == [
        (GOOD, "discovery: 7 user(s): n0, n1, n2, n3, n4 and 2 more"),
        (GOOD, "tokens of n0 (u0): 0"),
    ]
    assert platform.asked == ["a1", "u0"]


def test_one_discovered_user_that_is_not_listed_is_asked_for_too() -> None:
    users = (User("u1", "n1"), User("u2", "n2"), User("u3", "n3"))
    platform = ScriptedPlatform({"u2": [a_token()]})
    assert findings(platform, "u1", discover=lambda: Discovered(users, None, allow_empty=False))[-1] == (
        GOOD,
        "tokens: 2 of 2 users can be polled, they have 1 token(s)",
    )
    assert platform.asked == ["a1", "u1", "u2"]


@pytest.mark.parametrize(
    ("discovered", "expected"),
    [
        (Discovered((), None, allow_empty=True), (GOOD, "discovery: 0 user(s)")),
        (
            Discovered((), None, allow_empty=False),
            (
                FAILED,
                "discovery: no users; check status, departments, include and exclude, or set allow_empty",
            ),
        ),
        (
            Discovered((), Failure(Reason.FORBIDDEN, "HTTP 403"), allow_empty=False),
            (FAILED, f"discovery: failed: forbidden: HTTP 403; {Reason.FORBIDDEN.meaning}"),
        ),
    ],
)
def test_discovery_without_users(discovered: Discovered, expected: tuple[Verdict, str]) -> None:
    assert findings(ScriptedPlatform(), discover=lambda: discovered)[2:] == [
        expected,
        (GOOD, "tokens: no user to ask for"),
    ]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (
            [a_token("pt-own", expires_in=2 * DAY)],
            (
                WARNING,
                "own token: pt-own expires in 2d, at 2026-06-03T08:00:00+08:00 (Asia/Shanghai); create its successor",
            ),
        ),
        ([a_token("pt-o*n", expires_in=NEVER)], (GOOD, "own token: pt-o*n never expires")),
        (
            [a_token("pt-own", expires_in=None)],
            (WARNING, "own token: pt-own: its expiry cannot be read, so it is not watched"),
        ),
        (
            [a_token("pt-1"), a_token("pt-2")],
            (WARNING, "own token: it is not among the 2 token(s) of its owner, so its expiry is not watched"),
        ),
        (
            ApiError(Reason.FORBIDDEN, "HTTP 403"),
            (WARNING, "own token: its expiry is not watched: forbidden: HTTP 403"),
        ),
    ],
)
def test_the_expiry_of_the_own_token(listed: Sequence[Token] | ApiError, expected: tuple[Verdict, str]) -> None:
    assert findings(ScriptedPlatform({"a1": listed}))[1] == expected


def test_a_caller_that_may_not_be_asked_for_is_no_failure() -> None:
    platform = ScriptedPlatform({"u1": [a_token()]}, ApiError(Reason.FORBIDDEN, "HTTP 403"))
    assert findings(platform, "u1") == [
        (GOOD, "caller: this token may not ask for it (HTTP 403), so its own expiry is not watched"),
        (GOOD, "tokens of name of u1 (u1): 1"),
    ]


@pytest.mark.parametrize("reason", [Reason.UNAUTHORIZED, Reason.TLS, Reason.CONNECTION])
def test_a_failure_that_every_question_would_have_ends_the_questions(reason: Reason) -> None:
    platform = ScriptedPlatform(owner=ApiError(reason, "why"))
    assert findings(platform, "u1", "u2") == [(FAILED, f"caller: failed: {reason}: why; {reason.meaning}")]
    assert platform.asked == []


def test_three_failures_of_the_platform_in_a_row_end_the_questions() -> None:
    timeout = ApiError(Reason.TIMEOUT, "no complete answer within 5 s")
    platform = ScriptedPlatform({f"u{number}": timeout for number in (1, 2, 4, 5, 6, 7)})
    found = findings(platform, *(f"u{number}" for number in range(9)))
    assert platform.asked == ["a1", *(f"u{number}" for number in range(7))]
    assert (FAILED, "tokens: 2 more user(s) not asked for after this failure") in found
    assert found[-2] == (GOOD, "tokens: 2 of 9 users can be polled, they have 0 token(s)")


def test_a_refused_token_ends_the_questions_at_once() -> None:
    platform = ScriptedPlatform({"u1": ApiError(Reason.UNAUTHORIZED, "HTTP 401")})
    findings(platform, "u1", "u2")
    assert platform.asked == ["a1", "u1"]


def test_a_question_that_is_refused_alone_ends_no_others() -> None:
    refused = ApiError(Reason.UNAUTHORIZED, "HTTP 401", refusal=Refusal.CALL)
    platform = ScriptedPlatform({"u1": refused}, owner=refused)
    assert (GOOD, "tokens: 1 of 2 users can be polled, they have 0 token(s)") in findings(platform, "u1", "u2")
    assert platform.asked == ["u1", "u2"]


def test_questions_that_take_long_are_announced() -> None:
    words = "tokens: asking for 51 users, which takes about 10s at the allowed rate"
    many = [str(number) for number in range(51)]
    assert (GOOD, words) in findings(ScriptedPlatform(), *many, rate=5.0)
    assert not any("asking" in text for _, text in findings(ScriptedPlatform(), *many[:50], rate=5.0))
    assert not any("asking" in text for _, text in findings(ScriptedPlatform(), *many))


@pytest.mark.parametrize(
    ("keys", "verdict", "words"),
    [
        ((a_key("1"), a_key("2")), GOOD, "2"),
        ((), GOOD, "0"),
        (
            ApiError(Reason.UNSUPPORTED, "HTTP 400 UnsupportedInCurrentEnv"),
            WARNING,
            "unsupported: HTTP 400 UnsupportedInCurrentEnv; without them, tokens are still watched",
        ),
    ],
)
def test_the_ssh_keys_of_one_user_are_asked_for_if_they_are_watched(
    keys: tuple[SshKey, ...] | ApiError, verdict: Verdict, words: str
) -> None:
    platform = ScriptedPlatform({"u2": [a_token()]}, keys=keys)
    found = findings(platform, "30****41", "u2", "u3", ssh_keys=True)
    assert found[-1] == (verdict, f"SSH keys of name of u2 (u2): {words}")
    assert platform.asked == ["a1", "u2", "u3", "keys of u2"]


def test_ssh_keys_are_not_asked_for_without_a_whole_id_or_if_they_are_not_watched() -> None:
    platform = ScriptedPlatform()
    findings(platform, "30****41", ssh_keys=True)
    findings(platform, "u2")
    assert platform.asked == ["a1", "a1", "u2"]


def test_the_ssh_keys_of_a_discovered_user_are_asked_for() -> None:
    platform = ScriptedPlatform()
    found = (User("u4", "name of u4"),)
    assert findings(platform, discover=lambda: Discovered(found, None, allow_empty=False), ssh_keys=True)[-1] == (
        GOOD,
        "SSH keys of name of u4 (u4): 0",
    )
