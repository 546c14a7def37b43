"""The addresses that alerts link to: the exporter's pages and the runbooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from exporter.alerts.definitions import Page
from exporter.config.alerting import RUNBOOKS
from exporter.texts.catalogue import Language

if TYPE_CHECKING:
    from exporter.config.alerting import Alerting


@dataclass(frozen=True, slots=True)
class Links:
    """Makes the addresses.

    Attributes:
        external_url: the URL under which people open the exporter; None if it is not known, so no page is linked.
        runbooks: the configured folder of the runbooks; None for the default.
        language: that of the runbooks.
    """

    external_url: str | None = None
    runbooks: str | None = None
    language: Language = Language.EN

    @classmethod
    def of(cls, alerting: Alerting, external_url: str | None) -> Links:
        """The links of a configuration."""
        return cls(external_url, alerting.runbook_base_url, alerting.language)

    def runbook(self, alert: str) -> str:
        """The runbook of the alert with this name."""
        if self.runbooks is not None:
            return f"{self.runbooks}/{alert}.md"
        if self.external_url is not None:
            return f"{self.external_url}/runbooks/{alert}"
        folder = RUNBOOKS if self.language is Language.EN else f"{RUNBOOKS}/{self.language.value}"
        return f"{folder}/{alert}.md"

    def page(
        self,
        organization: str = "",
        *,
        page: Page = Page.SUBJECT,
        user_id: str = "",
        token_id: str = "",
        policy: str = "",
    ) -> str:
        """A page of the exporter about an organization or what is in it; "" without an external URL."""
        if self.external_url is None:
            return ""
        of, user, token, violated = (quote(text, "") for text in (organization, user_id, token_id, policy))
        return f"{self.external_url}{page_path(page, of, user, token, violated)}"


def page_path(page: Page, organization: str, user_id: str, token_id: str, policy: str) -> str:
    """Path and query of a page; the arguments are percent-encoded, and "" if the alert is not about such a thing."""
    if page is Page.VIOLATIONS:
        return f"/violations?organization={organization}&policy={policy}"
    if page is Page.FAILING_USERS:
        return f"/users?organization={organization}&status=failing"
    if page is Page.EXPIRED:
        return f"/tokens?organization={organization}&state=expired"
    if token_id:
        return f"/tokens/{organization}/{token_id}"
    return f"/users/{organization}/{user_id}" if user_id else "/"
