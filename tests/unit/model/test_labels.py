from __future__ import annotations

from support.builders import a_token, a_user

from exporter.model import labels


def test_metrics_alerts_and_rules_share_the_names_and_values() -> None:
    user, token = a_user("u1", "li.wei"), a_token("pt-1", name="ci")
    assert labels.organization_labels("acme") == {"organization": "acme"}
    assert labels.user_labels("acme", user) == {"organization": "acme", "user_id": "u1", "user": "li.wei"}
    assert labels.token_labels("acme", user, token) == {
        "organization": "acme",
        "user_id": "u1",
        "user": "li.wei",
        "token_id": "pt-1",
        "token": "ci",
    }
    assert labels.token_values("acme", user, token) == ("acme", "u1", "li.wei", "pt-1", "ci")
