from __future__ import annotations

import pytest
from support.configuration import faults, settled, with_organization


def test_names_and_ids_must_be_unique() -> None:
    text = with_organization("").replace("li.wei}", 'li.wei}, {id: "3001"}')
    text += text.partition("\n")[2]
    assert faults(text) == [
        "c.yaml:6: organizations[0].users.static[1].id: user 3001 is listed twice, first on line 6; keep one",
        "c.yaml:7: organizations[1].name: organization acme is listed twice; give each a different name",
        "c.yaml:11: organizations[1].users.static[1].id: user 3001 is listed twice, first on line 11; keep one",
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("max_lifetime: {}", "policies.max_lifetime.limit: is missing; add it"),
        ("max_lifetime: {limit: 90}", "policies.max_lifetime.limit: must be a duration"),
        ("max_age: {limit: 0s}", "policies.max_age.limit: must be greater than 0"),
        ("never_expires: allow", "policies.never_expires: must be forbid or a section with keys"),
        ("name_pattern: {pattern: '('}", "policies.name_pattern.pattern: is not a valid RE2 regular expression"),
        ("forbidden_permissions: {permissions: []}", "policies.forbidden_permissions.permissions: is an empty list"),
        ("max_tokens_per_user: {limit: -1}", "policies.max_tokens_per_user.limit: must be greater than or equal to 0"),
        ("max_age: {limit: 1d, severity: bad}", "policies.max_age.severity: must be 'critical', 'warning' or 'info'"),
        ("max_lifespan: {limit: 1d}", "policies.max_lifespan: unknown key; did you mean max_lifetime?"),
        (
            "max_age: {limit: 1d, exceptions: [{reason: x, until: 2026-01-01}]}",
            "policies.max_age.exceptions[0]: matches nothing; set user, token_id or name",
        ),
    ],
)
def test_faults_of_policies(line: str, fault: str) -> None:
    (found,) = faults(f"policies:\n  {line}\n" + with_organization(""))
    assert found.startswith(f"c.yaml:2: {fault}")


def test_an_empty_policy_is_refused() -> None:
    (fault,) = faults("policies:\n  never_expires:\n" + with_organization(""))
    assert "never_expires is empty" in fault


def test_good_host_headers_labels_and_alertmanagers_are_used_as_written() -> None:
    text = "alerting: {labels: {team: platform}, alertmanagers: [{url: 'http://am:9093/'}]}\n" + with_organization(
        "host_header: acme.rdc.aliyuncs.com:8443"
    )
    config = settled(text).config
    assert config.organizations[0].host_header == "acme.rdc.aliyuncs.com:8443"
    assert config.alerting.labels == {"team": "platform"}
    assert [one.url for one in config.alerting.alertmanagers] == ["http://am:9093"]
