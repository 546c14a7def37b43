from __future__ import annotations

from dataclasses import replace

from support.builders import NOW
from support.configuration import settled, with_organization

from exporter.model.user import User
from exporter.policies.builtin import MaxAge, MaxLifetime, NeverExpires

POLICIES = """policies:
  never_expires: forbid
  max_lifetime: {limit: 90d, severity: critical}
  max_age:
    limit: 1y
    exceptions: [{user: "3001", reason: migrating, until: 2026-05-31}]
"""


def test_policies_are_off_by_default() -> None:
    assert settled(with_organization("")).config.policies.configured == ()
    policies = settled(POLICIES + with_organization("")).config.policies
    assert policies.configured == (MaxLifetime, NeverExpires, MaxAge)
    assert [policy.severity for policy in policies.enabled] == ["critical", "warning", "warning"]
    max_age = policies.enabled[2]
    assert isinstance(max_age, MaxAge)
    (entry,) = max_age.exceptions
    assert (max_age.limit, entry.user) == (365 * 86400, "3001")


def test_an_exemption_that_ended_yesterday_gives_a_warning() -> None:
    settings = settled(POLICIES + with_organization(""))
    assert settings.warnings(NOW - 1) == ()
    assert settings.warnings(NOW) == (
        "policies.max_age.exceptions[0] (migrating) ended on 2026-05-31 and no longer exempts tokens; remove it or "
        "set a later date",
    )


def test_rules_without_series_to_alert_on_give_a_warning() -> None:
    text = "metrics: {alerts: false}\n" + with_organization("")
    (warning,) = settled(text).warnings(0)
    assert warning.startswith("metrics.alerts is false, so Prometheus rules have no series to alert on")


def test_the_repr_of_settings_contains_no_secret() -> None:
    settings = settled(with_organization("proxy_url: http://me:hunter2@proxy:3128"))
    for text in (repr(settings), str(settings), f"{settings.organizations}"):
        assert "hunter2" not in text
        assert "pt-abc_def" not in text
    assert settings.organizations[0].proxies["https"] == "http://me:hunter2@proxy:3128"


def test_a_label_of_a_user_file_that_hides_the_kind_of_ssh_keys_gives_a_warning() -> None:
    settings = settled(with_organization("credentials: [tokens, ssh_keys]\n    organization_id: o1"))
    assert settings.warnings(0) == ()
    labelled = replace(settings.organizations[0], users=(User("1", "li.wei", labels=(("kind", "human"),)),))
    (warning,) = replace(settings, organizations=(labelled,)).warnings(0)
    assert warning.startswith("the label kind of users replaces that of SSH keys in Prometheus rules")


def test_the_external_url_of_the_command_line_overrides_that_of_the_file() -> None:
    settings = settled("web: {external_url: https://file.example.com}\n" + with_organization(""))
    assert settings.with_external_url(None).config.web.external_url == "https://file.example.com"
    assert settings.with_external_url("https://flag.example.com").config.web.external_url == "https://flag.example.com"


def test_users_that_have_not_changed_are_the_known_objects() -> None:
    text = with_organization("").replace("name: li.wei}", 'name: li.wei}, {id: "3002", name: wang}')
    (before,), after = settled(text).organizations, settled(text.replace("wang", "fang"))
    (shared,) = after.with_known_users({before.config.name: before.users}).organizations
    assert shared.users == after.organizations[0].users
    assert shared.users[0] is before.users[0]
    assert after.with_known_users({"other": before.users}).organizations[0] is after.organizations[0]
