from __future__ import annotations

from datetime import date

from support.builders import DAY, NOW, a_token

from exporter.model.snapshot import View
from exporter.model.token import NEVER
from exporter.model.user import User
from exporter.policies.builtin import MaxTokensPerUser, NeverExpires
from exporter.policies.schema import Policies
from exporter.report.exemptions import ReportedExemption, reported_exemptions
from exporter.state.ledger import Ledger


def test_exemptions_with_their_reasons_days_and_tokens() -> None:
    ledger = Ledger("acme", [User("1", "li.wei"), User("2", "bot")])
    ledger.succeeded("1", (a_token("pt-1", expires_in=NEVER), a_token("pt-2", expires_in=DAY)), NOW)
    ledger.succeeded("2", (a_token("pt-3", expires_in=NEVER), a_token("pt-4", expires_in=NEVER)), NOW)
    policies = Policies.model_validate(
        {
            "never_expires": {
                "exceptions": (
                    {"user": "bot", "reason": "machine", "until": "2026-06-30"},
                    {"token_id": "pt-1", "reason": "migration", "until": "2026-05-31"},
                )
            },
            "max_tokens_per_user": {
                "limit": 1,
                "exceptions": ({"name": "ci", "reason": "builds", "until": "2026-06-01"},),
            },
        }
    )
    # It is 2026-06-01T00:00:00Z: the end of June is 30 days away, and the last of May has just ended.
    assert reported_exemptions(View((ledger.view(),)), policies, NOW) == (
        ReportedExemption(NeverExpires, "bot", None, None, "machine", date(2026, 6, 30), 30, 2),
        ReportedExemption(NeverExpires, None, "pt-1", None, "migration", date(2026, 5, 31), 0, 0),
        ReportedExemption(MaxTokensPerUser, None, None, "ci", "builds", date(2026, 6, 1), 1, 4),
    )
