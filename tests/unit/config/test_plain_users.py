from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.config.alerting import Alerting
from exporter.config.errors import ConfigError
from exporter.config.plain_users import plain_users
from exporter.config.user_files import exact_users
from exporter.model.user import Owner, OwnThresholds, User

ALERTING = Alerting()  # warning 14d, critical 3d

LI = User("u1", "li.wei")
WITH_LABELS = User("u1", "u1", (("email", "li@x.cn"), ("team", "a b")), None, Owner(email="li@x.cn"))
WITH_THRESHOLDS = User("u1", "u1", (), OwnThresholds(30 * 86_400, 10 * 86_400))

ACCEPTED = {
    '[{"id": "u1", "name": "li.wei"}]': [LI],
    '[\n{"id":"u1","name":"li.wei"}\n]\n': [LI],
    '[\n  {\n    "name" : "li.wei",\n    "id" : "u1"\n  }\n]': [LI],
    r'[{"id": "u1", "name": "\u4e2d \"\\"}]': [User("u1", '中 "\\')],
    '[{"id": "u1", "labels": {"team": "a b", "email": "li@x.cn", "room": ""}}]': [WITH_LABELS],
    '[{"id": "u1", "thresholds": {"warning": "30d", "critical": "10d"}}]': [WITH_THRESHOLDS],
    "- id: u1\n  name: li.wei\n": [LI],
    "- name: li.wei\n  id: u1": [LI],
    "# all\n---\n\n  # by hand\n  - id: \"u1\"  # the first\n    name: 'li.wei'   \n": [LI],
    "-   id: u1\r\n    name: li.wei\r\n": [LI],
    "- id: u1\n- {id: u2, name: 张伟 (dev)}\n-  { id: 'u3' }\n": [
        User("u1", "u1"),
        User("u2", "张伟 (dev)"),
        User("u3", "u3"),
    ],
    "- id: 62d0a3f1b\n  name: 1st, [a] {b} a:b c#d\n": [User("62d0a3f1b", "1st, [a] {b} a:b c#d")],
    "- id: u1\n  labels:\n    team: a b\n    # none\n    email: 'li@x.cn'\n": [WITH_LABELS],
    "- id: u1\n  labels: {team: a b, email: \"li@x.cn\", room: ''}\n": [WITH_LABELS],
    "- {id: u1, labels: {team: a b, email: li@x.cn}}\n": [WITH_LABELS],
    "- id: u1\n  labels: {}\n  name: li.wei\n": [LI],
    "- id: u1\n  thresholds:\n    warning: 30d\n    critical: 10d\n": [WITH_THRESHOLDS],
    "- thresholds: {warning: 30d, critical: 10d}\n  id: u1\n": [WITH_THRESHOLDS],
}

DECLINED = [
    "",
    "[]",
    "- \n",
    "---\n---\n- id: u1\n",
    "- id: u1\n---\n- id: u2\n",
    "- id: 0123456\n",
    "- id: 12:30\n",
    "- id: on\n",
    "- id: null\n",
    "- id: ~\n",
    "- id: 2026-01-01\n",
    "- id: .5\n",
    "- id: u1\n  name: a: b\n",
    "- id: u1\n  name: a:\n",
    "- id: u1\n  name: a\n    b\n",
    "- id: u1\n  name:\n",
    "- id: u1\n  labels:\n",
    "- id: u1\n  labels:\n  name: x\n",
    "- id: u1\n  labels:\n    on: x\n",
    "- id: u1\n  labels:\n    a: x\n    a: y\n",
    "- id: u1\n  labels:\n    a: x\n     b: y\n",
    "- id: u1\n   name: x\n",
    "- id: u1\n name: x\n",
    "- id: u1\n - id: u2\n",
    "- id: u1\n- id: u1\n",
    "- id: u1\n  id: u2\n",
    "- id: u1\n  nam: x\n",
    "- id: u1\n  labels: {a: x, a: y}\n",
    "- id: u1\n  labels: {a:x}\n",
    "- id: u1\n  labels: {user: x}\n",
    "- id: u1\n  labels: [a]\n",
    "- id: u1\n  labels: x\n",
    "- id: u1\n  name: {a: x}\n",
    "- id: u1\n  name: &a x\n",
    "- id: u1\n  name: !!str x\n",
    "- id: u1\n  name: |\n    x\n",
    "- id: u1\n  name: 'it''s'\n",
    '- id: u1\n  name: "\\n"\n',
    "- id: u1\n\tname: x\n",
    "- id: u1\n  name: a\u2028b\n",
    "- id: u1\n  name: a\x7fb\n",
    "- id: ' u1'\n",
    "- id: ''\n",
    f"- id: {'x' * 257}\n",
    f"- id: u1\n  labels:\n    {'x' * 1100}: y\n",
    '[{"id": "u1", "labels": {"%s": "y"}}]' % ("x" * 1100),
    f'[{{"id"{" " * 1100}: "u1"}}]',
    '[{"id"\n: "u1"}]',
    '[{"id"\n\n: "u1"}]',
    '[{"id" \n: "u1"}]',
    "- id: pt-abc_0123456789abcdef\n",
    "- id: u1\n  labels: {a: pt-abc_0123456789abcdef}\n",
    "- id: u1\n  thresholds: {warning: 2d}\n",
    "- id: u1\n  thresholds: {warning: 4d, critical: 5d}\n",
    "- id: u1\n  thresholds: {warning: 30}\n",
    "- id: u1\n  thresholds: {soon: 30d}\n",
    '[{"id": "u1"}, {"id": "u1"}]',
    '[{"id": "u1", "id": "u2"}]',
    '[{"id": 1}]',
    '[{"id": "u1", "name": null}]',
    '[{"id": "u1"},]',
    '["u1"]',
    r'[{"id": "\ud83d\ude00"}]',
    r'[{"id": "a\/b"}]',
    r'[{"id": "a\nb"}]',
    r'[{"id": "pt-abc_0123456789\u0061bcdef"}]',
    "[" * 100_000,
]


def exact(text: str) -> tuple[User, ...] | None:
    """The users that the exact reader reads; None if it finds a fault."""
    try:
        return exact_users(text, "users.yaml", ALERTING)
    except ConfigError:
        return None


@pytest.mark.parametrize(("text", "users"), ACCEPTED.items())
def test_plain_lists_are_read_as_the_exact_reader_reads_them(text: str, users: list[User]) -> None:
    assert plain_users(text, ALERTING) == tuple(users)
    assert exact(text) == tuple(users)


@pytest.mark.parametrize("text", DECLINED, ids=range(len(DECLINED)))
def test_other_lists_are_left_to_the_exact_reader(text: str) -> None:
    assert plain_users(text, ALERTING) is None


def test_thresholds_are_compared_with_the_general_ones_if_these_are_known() -> None:
    text = "- id: u1\n  thresholds: {warning: 2d}\n"
    assert plain_users(text, None) == (User("u1", "u1", (), OwnThresholds(2 * 86_400, None)),)


def test_a_list_that_is_longer_than_a_piece_is_read_whole() -> None:
    text = "".join(f"- id: user-{number}\n  name: some name or other\n" for number in range(20_000))
    users = plain_users(text, ALERTING)
    assert users is not None
    assert [user.user_id for user in users] == [f"user-{number}" for number in range(20_000)]


def test_more_values_than_the_exact_reader_accepts_are_declined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.config.plain_users.MOST_VALUES", 12)
    # Each entry has 5 values, itself included; the list is one more.
    assert plain_users("- {id: a, name: x}\n- {id: b, name: x}\n", ALERTING) is not None
    assert plain_users("- {id: a, name: x}\n- {id: b, name: x}\n- {id: c, name: x}\n", ALERTING) is None


_ODD = st.sampled_from(
    [
        *(
            "",
            " ",
            "a",
            "1",
            "on",
            "12:30",
            ":",
            ": ",
            " #",
            "#",
            "-",
            "- ",
            "'",
            '"',
            "{",
            "}",
            "[",
            "]",
            ",",
            "?",
            "&",
        ),
        *("*", "!", "|", ">", "%", "@", "`", "=", "<<", "~", "\\", "\t", "\n", "\r", "张", "\u3000", "\xa0", "\u2028"),
        *("\x85", "😀", "null", ".5", "0x1", "2026-01-01", "id", "name", "labels", "---", "...", "\\u0041", "\\ud83d"),
        *("\\/", "id: u9", "\nname: x", "\n  name: x", "\n- id: u8", "\n    a: b"),
    ]
)
_NAMES = st.one_of(
    st.text("abc .-1:#,张", min_size=1, max_size=6),
    st.lists(_ODD, min_size=1, max_size=4).map("".join),
)
_ENTRIES = st.lists(
    st.fixed_dictionaries(
        {"id": st.one_of(st.integers(0, 5).map("u{}".format), _NAMES)},
        optional={
            "name": _NAMES,
            "labels": st.dictionaries(st.one_of(st.sampled_from(["team", "email", "on"]), _NAMES), _NAMES, max_size=3),
            "thresholds": st.fixed_dictionaries({}, optional={"warning": st.sampled_from(["30d", "2d", "x"])}),
        },
    ),
    max_size=4,
)


def _by_hand(entries: list[dict[str, Any]], quote: str) -> str:
    """The entries as a careless script writes them."""
    lines = []
    for entry in entries:
        dash = "- "
        for key, value in entry.items():
            if isinstance(value, dict):
                lines.append(f"{dash}{key}:")
                lines.extend(f"    {name}: {quote}{one}{quote}" for name, one in value.items())
            else:
                lines.append(f"{dash}{key}: {quote}{value}{quote}")
            dash = "  "
    return "\n".join(lines)


def _in_braces(entries: list[dict[str, Any]]) -> str:
    def braces(mapping: dict[str, Any]) -> str:
        pairs = (f"{key}: {braces(one) if isinstance(one, dict) else one}" for key, one in mapping.items())
        return f"{{{', '.join(pairs)}}}"

    return "".join(f"- {braces(entry)}\n" for entry in entries)


_TEXTS = st.one_of(
    _ENTRIES.map(json.dumps),
    _ENTRIES.map(lambda entries: json.dumps(entries, ensure_ascii=False, indent=2)),
    _ENTRIES.map(lambda entries: yaml.safe_dump(entries, allow_unicode=True, sort_keys=False)),
    _ENTRIES.map(lambda entries: yaml.safe_dump(entries, default_flow_style=None)),
    st.tuples(_ENTRIES, st.sampled_from(["", "'", '"'])).map(lambda both: _by_hand(*both)),
    _ENTRIES.map(_in_braces),
)


@given(_TEXTS)
def test_whatever_is_accepted_is_what_the_exact_reader_reads(text: str) -> None:
    users = plain_users(text, ALERTING)
    assert users is None or users == exact(text)


@given(
    st.sampled_from([*ACCEPTED, *DECLINED[:-1]]),
    st.lists(st.tuples(st.integers(0, 120), st.booleans(), _ODD), max_size=3),
)
@example("- id: u1\n  name: li.wei\n", [(10, False, "\n  b")])
def test_an_accepted_text_with_changes_is_read_in_the_same_way_or_declined(
    text: str, changes: list[tuple[int, bool, str]]
) -> None:
    for place, replace, odd in changes:
        text = text[:place] + odd + text[place + replace :]
    users = plain_users(text, ALERTING)
    assert users is None or users == exact(text)
