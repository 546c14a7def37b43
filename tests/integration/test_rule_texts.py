"""promtool renders the annotations of rules: they are the words of the alerts that the exporter sends."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from support.builders import DAY, HOUR, NOW, a_key, a_state, a_token, a_user

from exporter.alerts.alert import POLICY, AlertMaker
from exporter.alerts.definitions import (
    CONFIG_RELOAD_FAILED,
    DISCOVERY_FAILING,
    EXPORTER_DOWN,
    EXPORTER_TOKEN_EXPIRING,
    ORGANIZATION_UNREADABLE,
    POLICY_VIOLATION,
    SWEEP_STALLED,
    TOKEN_EXPIRED,
    TOKEN_EXPIRING_CRITICAL,
    TOKEN_EXPIRING_WARNING,
    TOKEN_NEVER_EXPIRES,
    TOKEN_NOT_REMOVED,
    TOKEN_PERMISSIONS_WIDENED,
    TOKENS_NOT_REMOVED,
    USER_POLL_FAILING,
    USER_TOKENS_NOT_REMOVED,
    Definition,
)
from exporter.alerts.rule_texts import RuleTexts
from exporter.config.schema import Config
from exporter.model.labels import KIND
from exporter.model.token import NEVER
from exporter.model.token_texts import TOKEN_TEXTS, owner_texts, token_texts
from exporter.model.user import Owner, User
from exporter.texts.catalogue import Language, catalogue

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.model.token import Token

ZONE = ZoneInfo("Asia/Shanghai")
OWNED = User("u 1", "li.wei", owner=Owner("li.wei@example.com", "R&D", "liwei"))
ORGANIZATION = "a+b / {c}"


def a_config(language: Language) -> Config:
    organization = {
        "name": ORGANIZATION,
        "endpoint": "https://acme.example.com",
        "token_env": "T",
        "users": {"static": ({"id": "1"},)},
    }
    return Config.model_validate(
        {
            "organizations": (organization,),
            "alerting": {"language": language},
            "policies": {"name_pattern": {"pattern": '[a-z]{2}"'}, "max_lifetime": {"limit": "300d"}},
            "web": {"external_url": "https://x.example.com/yte"},
        }
    )


class Case:
    """An alert as the daemon raises it, and the labels and the value of the rule's series."""

    def __init__(self, config: Config, definition: Definition) -> None:
        self.definition = definition
        self.labels: dict[str, str] = {}
        self.value = 0.0
        self.annotations: dict[str, str] = {}
        self._maker = AlertMaker.of(config)
        self._maker.begin(NOW)
        self._language = config.alerting.language

    def about_token(self, token: Token, user: User, *others: Token) -> Case:
        losses = self._maker.losses(ORGANIZATION, a_state(token, *others))
        permissions = losses.words(token, NOW) if token.expires_at != NEVER else ""
        words = catalogue(self._language)
        texts = token_texts(self.definition.name, ORGANIZATION, user, token, permissions, words, ZONE)
        labels = {
            "organization": ORGANIZATION,
            "user_id": user.user_id,
            "user": user.name,
            "token_id": token.token_id,
            "token": token.name,
        }
        # The description of a token is no label, so rules cannot say it.
        without = replace(token, description="")
        alert = self._maker.make(self.definition, labels, NOW, user, without, permissions=permissions)
        kind = {KIND: token.kind.value} if token.kind.value == "ssh_key" else {}
        self.labels = labels | kind | dict(zip(TOKEN_TEXTS, texts, strict=True))
        self.value = 0.0 if token.expires_at in (None, NEVER) else token.expires_at - NOW
        return self._expect(dict(alert.annotations))

    def about(self, value: float, labels: dict[str, str], series: dict[str, str], **facts: Any) -> Case:
        alert = self._maker.make(self.definition, labels, NOW, **facts)
        self.labels, self.value = labels | series, value
        return self._expect(dict(alert.annotations))

    def _expect(self, annotations: dict[str, str]) -> Case:
        self.annotations = {name: annotations[name] for name in ("summary", "description", "runbook_url", "page_url")}
        return self


def cases(config: Config) -> list[Case]:
    acme = {"organization": ORGANIZATION}
    soon = a_token("pt-*/1", expires_in=2 * DAY + 5, permissions=("code_read", "ci_read"))
    return [
        Case(config, TOKEN_EXPIRED).about_token(a_token(expires_in=-3 * HOUR), OWNED),
        Case(config, TOKEN_EXPIRING_WARNING).about_token(soon, OWNED, a_token("pt-2", permissions=("ci_read",))),
        Case(config, TOKEN_EXPIRING_CRITICAL).about_token(a_token(expires_in=40.0, permissions=()), a_user()),
        Case(config, TOKEN_EXPIRED).about_token(a_key(expires_in=0.0), a_user()),
        Case(config, TOKEN_NOT_REMOVED).about_token(a_token(name='a"\\{{ b', expires_in=-9 * DAY), OWNED),
        Case(config, TOKEN_NEVER_EXPIRES).about_token(a_token(expires_in=NEVER), OWNED),
        Case(config, POLICY_VIOLATION).about(
            12, acme | {POLICY: "name_pattern"}, {"users": "3", "worst": "li (7)"}, count=12, users=3, worst="li (7)"
        ),
        Case(config, POLICY_VIOLATION).about(2, acme | {POLICY: "max_lifetime"}, {}, count=2),
        Case(config, TOKENS_NOT_REMOVED).about(
            12,
            acme,
            {"users": "3", "worst": "li (ci, 2026-05-01)"},
            count=12,
            users=3,
            worst="li (ci, 2026-05-01)",
        ),
        Case(config, USER_TOKENS_NOT_REMOVED).about(
            2,
            acme | {"user_id": OWNED.user_id, "user": OWNED.name},
            owner_texts(OWNED),
            user=OWNED,
            count=2,
        ),
        Case(config, SWEEP_STALLED).about(7300, acme, {}, age=7300.0),
        Case(config, TOKEN_PERMISSIONS_WIDENED).about(1, acme, {}),
        Case(config, DISCOVERY_FAILING).about(0, acme, {}),
        Case(config, CONFIG_RELOAD_FAILED).about(0, {}, {}),
    ]


def rendered(promtool: str, folder: Path, name: str, expressions: list[tuple[Definition, Any, dict[str, str]]]) -> None:
    """Let promtool compare annotations: each with the value and labels of its series."""
    config = a_config(Language(name))
    maker = RuleTexts.of(config.alerting, config.web.external_url, config.policies)
    rules, series, tests = [], [], []
    for number, (definition, (labels, value), texts) in enumerate(expressions):
        metric = f"case_{number}"
        quoted = ",".join(f"{key}={yaml_string(text)}" for key, text in labels.items())
        series.append({"series": f"{metric}{{{quoted}}}", "values": f"{value}x3"})
        rules.append({"alert": metric, "expr": metric, "annotations": maker.annotations(definition)})
        expected = [{"exp_labels": labels, "exp_annotations": texts}]
        tests.append({"eval_time": "1m", "alertname": metric, "exp_alerts": expected})
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": rules}]}), encoding="utf-8")
    case = {"interval": "1m", "input_series": series, "alert_rule_test": tests}
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [case]}
    (folder / "test.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    command = [promtool, "test", "rules", str(folder / "test.yaml")]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


def yaml_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.mark.parametrize("language", [one.value for one in Language])
def test_rules_say_what_the_exporter_says(promtool: str, tmp_path: Path, language: str) -> None:
    found = cases(a_config(Language(language)))
    rendered(
        promtool, tmp_path, language, [(one.definition, (one.labels, one.value), one.annotations) for one in found]
    )


def test_texts_that_only_rules_have(promtool: str, tmp_path: Path) -> None:
    acme = {"organization": "acme"}
    home = {"page_url": "https://x.example.com/yte/"}
    own = "The exporter's own token for acme"

    def texts(name: str, summary: str, description: str) -> dict[str, str]:
        runbook = f"https://x.example.com/yte/runbooks/{name}"
        details = " Details: https://x.example.com/yte/"
        return home | {"summary": summary, "description": description + details, "runbook_url": runbook}

    down = "has been scraped for ten minutes; tokens may expire unnoticed."
    rendered(
        promtool,
        tmp_path,
        "en",
        [
            (
                EXPORTER_TOKEN_EXPIRING,
                (acme, 2 * DAY),
                texts(
                    "YunxiaoExporterTokenExpiring",
                    f"{own} expires in 2d",
                    f"{own} expires in 2d; without it no tokens can be polled.",
                ),
            ),
            (
                EXPORTER_TOKEN_EXPIRING,
                (acme, -90.0),
                texts(
                    "YunxiaoExporterTokenExpiring",
                    f"{own} expired 1m ago",
                    f"{own} expired 1m ago; without it no tokens can be polled.",
                ),
            ),
            (
                USER_POLL_FAILING,
                (
                    acme | {"user_id": "u 1", "user": "li", "reason": "tls", "owner": "li", "owner_email": "l@x"},
                    7200,
                ),
                {
                    "summary": "Polls of li in acme are failing: the TLS handshake fails",
                    "description": "Polls of li (u 1) in acme are failing: the TLS handshake fails (reason tls). "
                    "Tokens of this user may change or expire unnoticed. Since: 2h ago. Owner: li, l@x. "
                    "Details: https://x.example.com/yte/users/acme/u%201",
                    "runbook_url": "https://x.example.com/yte/runbooks/YunxiaoUserPollFailing",
                    "page_url": "https://x.example.com/yte/users/acme/u%201",
                },
            ),
            (
                ORGANIZATION_UNREADABLE,
                ({"organization": "R&D / x", "reason": "something new"}, 7200),
                {
                    "summary": "No user of R&D / x can be polled: the reason is not known",
                    "description": "No user of R&D / x can be polled: the reason is not known (reason something new). "
                    "Tokens may change or expire unnoticed. Since: 2h ago. "
                    "What to do: the reason is not known. "
                    "Details: https://x.example.com/yte/users?organization=R%26D%20%2F%20x&status=failing",
                    "runbook_url": "https://x.example.com/yte/runbooks/YunxiaoOrganizationUnreadable",
                    "page_url": "https://x.example.com/yte/users?organization=R%26D%20%2F%20x&status=failing",
                },
            ),
            (
                EXPORTER_DOWN,
                ({}, 1),
                texts(
                    "YunxiaoExporterDown",
                    "Prometheus cannot scrape an exporter",
                    f"No yunxiao-token-exporter {down}",
                ),
            ),
            (
                EXPORTER_DOWN,
                (acme, 1),
                texts(
                    "YunxiaoExporterDown",
                    "Prometheus cannot scrape an exporter for acme",
                    f"No yunxiao-token-exporter for acme {down}",
                ),
            ),
        ],
    )
