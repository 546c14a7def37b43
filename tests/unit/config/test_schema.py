from __future__ import annotations

import pytest
from support.configuration import discovering, faults, settled, with_organization


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


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (
            "token: pt-abc_def",
            "organizations[0].token: unknown key; put the token into a file, and set token_file to its path",
        ),
        ("tokn_file: x", "organizations[0].tokn_file: unknown key; did you mean token_file?"),
        ("timezone: Mars/Olympus", "organizations[0].timezone: is not a known time zone; write a name"),
        ("timezone: ../etc/passwd", "organizations[0].timezone: is not a valid time zone"),
        ("proxy_url: socks5://h:1", "organizations[0].proxy_url: is a SOCKS proxy, which is not supported; write the"),
        ("proxy_url: ftp://h:1", "organizations[0].proxy_url: is not a valid HTTP URL"),
        ("host_header: 'a b'", "organizations[0].host_header: is not a valid host name"),
        ('host_header: "a\\r\\nX: y"', "organizations[0].host_header: is not a valid host name"),
        ("limits: {requests_per_second: fast}", "limits.requests_per_second: must be a number, not text"),
        ("limits: {max_retry_after: -1s}", "limits.max_retry_after: '-1s' is not a valid duration"),
        ("tls: {ca_file: ca.pem}", "organizations[0].tls.ca_file: /nowhere/ca.pem cannot be read: No such file"),
        ("tls: {insecure_skip_verify: yes please}", "tls.insecure_skip_verify: must be true or false, not text"),
        ("token_file: /run/secret", "organizations[0]: needs exactly one of token_file, token_files and token_env"),
    ],
)
def test_faults_name_the_key_and_a_hint(line: str, fault: str) -> None:
    assert any(fault in found for found in faults(with_organization(line)))


@pytest.mark.parametrize("most", [0, 20_001, 1.5])
def test_max_tokens_per_user_is_between_1_and_the_size_of_a_response(most: float) -> None:
    (fault,) = faults(f"metrics: {{max_tokens_per_user: {most}}}\n" + with_organization(""))
    assert "metrics.max_tokens_per_user" in fault
    assert settled("metrics: {max_tokens_per_user: 20000}\n" + with_organization("")).config.metrics.max_series == 10**6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("[]", "must be a section with keys, not a list"),
        ("organizations: []", "is an empty list; add at least one entry"),
        ("poll: {}", "organizations: is missing; add it"),
        (with_organization("").replace("static", "files").replace('{id: "3001", name: li.wei}', ""), "has no users"),
        ("poll: {interval: 2h}\n" + with_organization(""), "stale_after (1h) is shorter than interval (2h)"),
        ("poll: {interval: 0s}\n" + with_organization(""), "poll.interval: must be greater than or equal to 1"),
    ],
)
def test_missing_and_contradicting_keys_are_refused(text: str, words: str) -> None:
    assert any(words in fault for fault in faults(text))


def test_discovery_alone_is_enough() -> None:
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
    "text",
    [
        "credentials: [tokens, ssh_keys]",
        "credentials: [ssh_keys]",
        "credentials: []",
        "credentials: [tokens, tokens]",
        "credentials: [tokens, passwords]",
    ],
)
def test_credentials_that_cannot_be_watched_are_refused(text: str) -> None:
    assert faults(with_organization(text)) != []


def test_the_list_of_ssh_keys_requires_the_id_of_the_organization() -> None:
    (fault,) = faults(with_organization("credentials: [tokens, ssh_keys]"))
    assert "require the id of the organization on the platform; set organization_id" in fault
    watching = with_organization("credentials: [tokens, ssh_keys]\n    organization_id: o1")
    assert settled(watching).config.organizations[0].organization_of_keys == "o1"
    discovering_ = discovering("source: members, organization_id: o2").replace(
        "    token_env", "    credentials: [tokens, ssh_keys]\n    token_env"
    )
    assert settled(discovering_).config.organizations[0].organization_of_keys == "o2"
    pathless = discovering_.replace("organization_id: o2", "organization_in_path: false")
    assert settled(pathless).config.organizations[0].organization_of_keys == ""


def test_tokens_alone_are_watched_by_default() -> None:
    organization = settled(with_organization("")).config.organizations[0]
    assert (organization.credentials, organization.watches_ssh_keys) == (("tokens",), False)


KEYS = "credentials: [tokens, ssh_keys]\n    organization_id: o1"


def test_the_label_kind_belongs_to_ssh_keys_if_they_are_watched() -> None:
    labelled = with_organization("").replace("name: li.wei", "name: li.wei, labels: {kind: human}")
    assert settled(labelled).config.organizations[0].users.static[0].labels == {"kind": "human"}
    watching = labelled.replace("    token_env", f"    {KEYS}\n    token_env")
    (fault,) = faults(watching)
    assert "the label kind is set by the exporter for SSH keys" in fault
    (fault,) = faults(with_organization(KEYS) + "alerting: {labels: {kind: x}}\n")
    assert "the label kind is set by the exporter for SSH keys" in fault


def test_a_day_that_does_not_exist_has_its_own_error() -> None:
    def fault(day: str) -> str:
        entry = f"{{user: x, reason: y, until: {day}}}"
        (found,) = faults(with_organization("") + f"policies: {{never_expires: {{exceptions: [{entry}]}}}}\n")
        return found.partition("until: ")[2]

    # 2027 is no leap year.
    assert fault('"2027-02-29"') == (
        "2027-02-29 is not a day of the calendar; write an existing date, such as 2026-12-31"
    )
    assert fault('"2027-2-9"') == "must be a date, such as 2026-12-31"
