from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.builders import NOW

from exporter.config.document import parse_yaml
from exporter.config.errors import ConfigError
from exporter.config.load import Settings, settle
from exporter.config.schema import StaticUser
from exporter.config.user_files import joined
from exporter.model.user import Owner, User
from exporter.policies.definitions import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRON = {"TOKEN": "pt-abc_def"}


def settled(text: str, environ: Mapping[str, str] = ENVIRON) -> Settings:
    return settle(parse_yaml(text, "c.yaml"), Path("/nowhere"), environ)


def faults(text: str, environ: Mapping[str, str] = ENVIRON) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        settled(text, environ)
    return [str(fault) for fault in caught.value.faults]


def with_organization(line: str) -> str:
    """A sound configuration with one more line, line 4, in its organization."""
    return f"""organizations:
  - name: acme
    endpoint: https://acme.example.com
    {line}
    token_env: TOKEN
    users: {{static: [{{id: "3001", name: li.wei}}]}}
"""


def test_defaults_are_those_of_the_documentation() -> None:
    config = settled(with_organization("")).config
    assert (config.poll.interval, config.poll.timeout, config.poll.stale_after, config.poll.spread) == (
        900,
        10,
        3600,
        True,
    )
    limits = config.organizations[0].limits
    assert (limits.requests_per_second, limits.concurrency, limits.max_retry_after) == (5, 8, 300)
    assert config.organizations[0].timezone == "Asia/Shanghai"


def test_every_fault_is_reported_at_once_with_file_line_path_and_hint() -> None:
    text = """poll: {interval: 90, sperad: true}
metrics: 5
organizations:
  - name: acme
    endpoint: ftp://x
    token_env: NOT_SET
    limits:
      concurrency: 0
    users:
      static:
        - {id: 0123456, name: on}
"""
    assert faults(text) == [
        "c.yaml:1: poll.interval: must be a duration with its unit, such as 90s, 1h30m or 14d; "
        'write "90s" if seconds are meant',
        "c.yaml:1: poll.sperad: unknown key; did you mean spread?",
        "c.yaml:2: metrics: must be a section with keys, not the number 5",
        "c.yaml:5: organizations[0].endpoint: is no URL that can be used; "
        "write http:// or https://, a host and, if need be, a port",
        "c.yaml:6: organizations[0].token_env: the environment variable NOT_SET is not set; set it to the token",
        "c.yaml:8: organizations[0].limits.concurrency: must be greater than or equal to 1",
        "c.yaml:11: organizations[0].users.static[0].id: id 0123456 is not quoted, YAML reads it as 42798; "
        'write "0123456"',
        'c.yaml:11: organizations[0].users.static[0].name: name on is not quoted, YAML reads it as true; write "on"',
    ]


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("0123456", "42798"),
        ("1_000", "1000"),
        ("12:30:45", "45045"),
        ("on", "true"),
        ("no", "false"),
        ("2026-12-31", "a date (2026-12-31)"),
        ("1.5", "1.5"),
    ],
)
@pytest.mark.parametrize("key", ["id", "name"])
def test_ids_and_names_that_yaml_reads_as_something_else(key: str, written: str, read_as: str) -> None:
    text = with_organization("").replace('id: "3001", name: li.wei', f'id: "1", name: "x", {key}: {written}')
    text = text.replace(f'{key}: "1", ', "").replace(f'{key}: "x", ', "")
    expected = f'{key} {written} is not quoted, YAML reads it as {read_as}; write "{written}"'
    assert faults(text) == [f"c.yaml:6: organizations[0].users.static[0].{key}: {expected}"]


@pytest.mark.parametrize("written", ['"0123456"', "'on'", "089", "3f2a-11", "张三"])
def test_ids_that_are_text_are_taken_as_written(written: str) -> None:
    text = with_organization("").replace('"3001"', written)
    assert settled(text).organizations[0].users == (User(written.strip("\"'"), "li.wei"),)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("tokn_file: x", "organizations[0].tokn_file: unknown key; did you mean token_file?"),
        ("timezone: Mars/Olympus", "organizations[0].timezone: is no time zone known here; write a name"),
        ("timezone: ../etc/passwd", "organizations[0].timezone: is no time zone"),
        ("proxy_url: socks5://h:1", "organizations[0].proxy_url: is no URL that can be used"),
        ("host_header: 'a b'", "organizations[0].host_header: is no host name"),
        ('host_header: "a\\r\\nX: y"', "organizations[0].host_header: is no host name"),
        ("limits: {requests_per_second: fast}", "limits.requests_per_second: must be a number, not text"),
        ("limits: {max_retry_after: -1s}", "limits.max_retry_after: '-1s' is no duration"),
        ("tls: {ca_file: ca.pem}", "organizations[0].tls.ca_file: /nowhere/ca.pem cannot be read: No such file"),
        ("tls: {insecure_skip_verify: yes please}", "tls.insecure_skip_verify: must be true or false, not text"),
        ("token_file: /run/secret", "organizations[0]: needs exactly one of token_file, token_files and token_env"),
    ],
)
def test_faults_name_the_key_and_what_to_do(line: str, fault: str) -> None:
    assert any(fault in found for found in faults(with_organization(line)))


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("https://user:hunter2@h", "must not hold a user or password"),
        ("https://h?x=hunter2", "must not have a query"),
        ("https://h/oapi/v1/", "must not end in /oapi/v1"),
        ("https://h:hunter2", "is no URL"),
        ("//h", "is no URL"),
        ("https://", "is no URL"),
    ],
)
def test_endpoints_that_are_refused_and_not_repeated(endpoint: str, words: str) -> None:
    (found,) = faults(with_organization("").replace("https://acme.example.com", endpoint))
    assert words in found
    assert "hunter2" not in found


def test_trailing_slashes_of_the_endpoint_are_dropped() -> None:
    text = with_organization("").replace("acme.example.com", "acme.example.com//")
    assert settled(text).config.organizations[0].endpoint == "https://acme.example.com"


@pytest.mark.parametrize("key", ["token_file", "token_env"])
def test_a_token_in_the_wrong_place_is_not_repeated(key: str) -> None:
    text = with_organization("").replace("token_env: TOKEN", f"{key}: pt-0123_abcdef")
    (found,) = faults(text)
    assert "holds what looks like a token itself" in found
    assert "abcdef" not in found


def test_names_and_ids_may_not_come_twice() -> None:
    text = with_organization("").replace("li.wei}", 'li.wei}, {id: "3001"}')
    text += text.partition("\n")[2]
    assert faults(text) == [
        "c.yaml:6: organizations[0].users.static[1].id: user 3001 is listed twice, first on line 6; keep one",
        "c.yaml:7: organizations[1].name: organization acme is given twice; give each a name of its own",
        "c.yaml:11: organizations[1].users.static[1].id: user 3001 is listed twice, first on line 11; keep one",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("[]", "must be a section with keys, not a list"),
        ("organizations: []", "is an empty list; name at least one"),
        ("poll: {}", "organizations: is missing; add it"),
        (with_organization("").replace("static", "files").replace('{id: "3001", name: li.wei}', ""), "watches nobody"),
        ("poll: {interval: 2h}\n" + with_organization(""), "stale_after (1h) is shorter than interval (2h)"),
        ("poll: {interval: 0s}\n" + with_organization(""), "poll.interval: must be greater than or equal to 1"),
    ],
)
def test_what_is_missing_or_makes_no_sense(text: str, words: str) -> None:
    assert any(words in fault for fault in faults(text))


def test_yaml_faults_and_schema_faults_come_together() -> None:
    text = "metrics: {per_token: 3, per_token: 4}\n" + with_organization("timezone: Mars")
    assert [fault.split(": ")[1] for fault in faults(text)] == ["metrics.per_token", "organizations[0].timezone"]


def test_nothing_shown_of_settings_holds_a_secret() -> None:
    settings = settled(with_organization("proxy_url: http://me:hunter2@proxy:3128"))
    for text in (repr(settings), str(settings), f"{settings.organizations}"):
        assert "hunter2" not in text
        assert "pt-abc_def" not in text
    assert settings.organizations[0].proxies["https"] == "http://me:hunter2@proxy:3128"


def test_proxies_of_the_environment_count_unless_excepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert settled(with_organization("")).organizations[0].proxies["https"] == "http://proxy:3128"
    monkeypatch.setenv("NO_PROXY", "example.com")
    assert settled(with_organization("")).organizations[0].proxies == {}


def test_of_two_lists_the_first_wins() -> None:
    static = [StaticUser(id="1", name="boss")]
    file = [StaticUser(id="1", name="other"), StaticUser(id="2")]
    assert joined(static, file) == (User("1", "boss"), User("2", "2"))


@pytest.mark.parametrize("label", ["inf", "nan", "NaN", "Inf"])
def test_a_label_that_rules_would_read_as_a_number_is_refused(label: str) -> None:
    text = with_organization("").replace("name: li.wei", f"labels: {{{label}: x}}")
    assert any("is a number to Prometheus' rules" in fault for fault in faults(text))


def test_an_ignore_entry_may_last_to_the_last_day_there_is() -> None:
    text = "alerting: {ignore: [{user: x, reason: y, until: 9999-12-31}]}\n" + with_organization("")
    (entry,) = settled(text).config.alerting.ignore
    # 2,932,896 days lie between 1970-01-01 and 9999-12-31; the entry mutes to the end of that day
    assert entry.ends_at == 2_932_897 * 86400
    assert settled(text).notes(1.8e9) == ()


@pytest.mark.parametrize("regex", ["(?=x)y", r"(x)\1", "(", "x{2000}"])
def test_a_regex_that_rules_could_not_use_is_refused(regex: str) -> None:
    text = f"alerting: {{ignore: [{{name: '{regex}', reason: y, until: 2027-01-01}}]}}\n" + with_organization("")
    (fault,) = faults(text)
    assert "is no regular expression of RE2" in fault


def test_thresholds_of_an_entry_are_checked_together_with_the_general_ones() -> None:
    text = with_organization("").replace("name: li.wei", "thresholds: {warning: 2d}")
    (fault,) = faults(text)
    assert fault == (
        "c.yaml:6: organizations[0].users.static[0].thresholds: user 3001: the critical threshold (3d) must be "
        "shorter than the warning threshold (2d); give both here; what is left out is as in alerting.thresholds"
    )


POLICIES = """policies:
  never_expires: forbid
  max_lifetime: {limit: 90d, severity: critical}
  max_age:
    limit: 1y
    exceptions: [{user: "3001", reason: migrating, until: 2026-05-31}]
"""


def test_policies_are_off_unless_given() -> None:
    assert settled(with_organization("")).config.policies.configured == ()
    policies = settled(POLICIES + with_organization("")).config.policies
    assert policies.configured == (Policy.MAX_LIFETIME, Policy.NEVER_EXPIRES, Policy.MAX_AGE)
    assert [section.severity for _, section in policies.sections] == ["critical", "warning", "warning"]
    (entry,) = policies.max_age.exceptions if policies.max_age else ()
    assert (policies.max_age and policies.max_age.limit, entry.user) == (365 * 86400, "3001")


def test_an_exception_that_ran_out_yesterday_is_noted() -> None:
    settings = settled(POLICIES + with_organization(""))
    assert settings.notes(NOW - 1) == ()
    assert settings.notes(NOW) == (
        "policies.max_age.exceptions[0] (migrating) ran out on 2026-05-31 and excuses no more; remove it or give it "
        "another day",
    )


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("max_lifetime: {}", "policies.max_lifetime.limit: is missing; add it"),
        ("max_lifetime: {limit: 90}", "policies.max_lifetime.limit: must be a duration"),
        ("max_age: {limit: 0s}", "policies.max_age.limit: must be greater than 0"),
        ("never_expires: allow", "policies.never_expires: must be forbid or a section with keys"),
        ("name_pattern: {pattern: '('}", "policies.name_pattern.pattern: is no regular expression of RE2"),
        ("forbidden_permissions: {permissions: []}", "policies.forbidden_permissions.permissions: is an empty list"),
        ("max_tokens_per_user: {limit: -1}", "policies.max_tokens_per_user.limit: must be greater than or equal to 0"),
        ("max_age: {limit: 1d, severity: bad}", "policies.max_age.severity: must be 'critical', 'warning' or 'info'"),
        ("max_lifespan: {limit: 1d}", "policies.max_lifespan: unknown key; did you mean max_lifetime?"),
        (
            "max_age: {limit: 1d, exceptions: [{reason: x, until: 2026-01-01}]}",
            "policies.max_age.exceptions[0]: names nothing; give user, token_id or name",
        ),
    ],
)
def test_faults_of_policies(line: str, fault: str) -> None:
    (found,) = faults(f"policies:\n  {line}\n" + with_organization(""))
    assert found.startswith(f"c.yaml:2: {fault}")


def test_rules_without_token_series_are_noted() -> None:
    text = "metrics: {per_token: false}\n" + with_organization("")
    (note,) = settled(text).notes(0)
    assert note.startswith("metrics.per_token is false, so Prometheus' rules have no token to alert on")


@pytest.mark.parametrize("most", [0, 20_001, 1.5])
def test_a_user_has_at_least_one_token_watched_and_no_more_than_an_answer_lists(most: float) -> None:
    (fault,) = faults(f"metrics: {{max_tokens_per_user: {most}}}\n" + with_organization(""))
    assert "metrics.max_tokens_per_user" in fault
    assert settled("metrics: {max_tokens_per_user: 20000}\n" + with_organization("")).config.metrics.max_series == 10**6


def test_an_entry_names_its_owner_by_its_labels() -> None:
    labels = {"team": "x", "email": "li.wei@example.com", "department": ""}
    (user,) = joined([StaticUser(id="1", labels=labels)])
    assert user.owner == Owner(email="li.wei@example.com")
    (nobody,) = joined([StaticUser(id="1", labels={"team": "x"})])
    assert nobody.owner is None


def discovering(text: str) -> str:
    return with_organization("").replace('static: [{id: "3001", name: li.wei}]', f"discover: {{{text}}}")


def test_discovery_alone_is_enough_to_watch_somebody() -> None:
    discover = settled(discovering("source: users")).config.organizations[0].users.discover
    assert discover is not None
    assert (discover.interval, discover.allow_empty, discover.owner_labels, discover.organization_in_path) == (
        3600,
        False,
        (),
        True,
    )
    named = settled(discovering("source: members, owner_labels: [username, email]"))
    assert named.label_names == ("email", "username")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("source: groups", "users.discover.source: must be 'users' or 'members'"),
        ("interval: 1h", "users.discover.source: is missing"),
        ("source: users, organization_id: x", "users.discover: organization_id goes with source: members"),
        ("source: users, include: ['(']", "is no regular expression of RE2"),
        ("source: users, owner_labels: [phone]", "owner_labels[0]: must be 'email', 'department' or 'username'"),
        ("source: users, interval: 90", "must be a duration with its unit"),
        ("source: users, intervall: 1h", "did you mean interval?"),
    ],
)
def test_faults_of_discovery_are_said(text: str, words: str) -> None:
    assert any(words in fault for fault in faults(discovering(text))), faults(discovering(text))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://h:6379/0", ""),
        ("rediss://h", ""),
        ("redis://h:99999", "is no URL"),
        ("http://h:6379", "is not a valid URL of a Redis"),
        ("redis://me:secret@h/0", "must not hold a user or password"),
        ("redis://h/x", "must end in the number of a database"),
        ("redis://", "is not a valid URL of a Redis"),
        ("redis+sentinel://a:26379,b,[::1]:1/main/0", ""),
        ("rediss+sentinel://a/main/12", ""),
        ("redis+sentinel://a/main", "is not a valid URL of Sentinels"),
        ("redis+sentinel://a/main/x", "is not a valid URL of Sentinels"),
        ("redis+sentinel://a//0", "is not a valid URL of Sentinels"),
        ("redis+sentinel://a/main/0?x=1", "is not a valid URL of Sentinels"),
        ("redis+sentinel://a,/main/0", "name a host for each Sentinel"),
        ("redis+sentinel://a:99999/main/0", "is no URL"),
        ("redis+sentinel://:secret@a/main/0", "must not hold a user or password"),
        ("+sentinel://a/main/0", "is no"),
    ],
)
def test_addresses_of_redis(url: str, words: str) -> None:
    text = f"redis: {{url: '{url}'}}\n" + with_organization("")
    if not words:
        redis = settled(text).config.redis
        assert redis is not None
        assert redis.url == url
        return
    (fault,) = faults(text)
    assert words in fault
    assert "secret" not in fault


def test_an_empty_policy_is_not_taken_for_one_that_is_on() -> None:
    (fault,) = faults("policies:\n  never_expires:\n" + with_organization(""))
    assert "never_expires is empty" in fault


def test_a_whole_token_does_not_belong_into_an_exception() -> None:
    text = "alerting: {ignore: [{token_id: pt-0a1b2c_5ecre7, reason: y, until: 2027-01-01}]}\n" + with_organization("")
    (fault,) = faults(text)
    assert "write the part before the _ only" in fault
    assert "5ecre7" not in fault


@pytest.mark.parametrize(("source", "status"), [("users", "enable"), ("members", "active")])
def test_a_status_that_fits_nobody_is_refused(source: str, status: str) -> None:
    text = with_organization("").replace(
        'users: {static: [{id: "3001", name: li.wei}]}', f"users: {{discover: {{source: {source}, status: {status}}}}}"
    )
    (fault,) = faults(text)
    assert f"status {status} fits nobody" in fault


def test_good_host_headers_labels_and_alertmanagers_are_used_as_written() -> None:
    text = "alerting: {labels: {team: platform}, alertmanagers: [{url: 'http://am:9093/'}]}\n" + with_organization(
        "host_header: acme.rdc.aliyuncs.com:8443"
    )
    config = settled(text).config
    assert config.organizations[0].host_header == "acme.rdc.aliyuncs.com:8443"
    assert config.alerting.labels == {"team": "platform"}
    assert [one.url for one in config.alerting.alertmanagers] == ["http://am:9093"]
