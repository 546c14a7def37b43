"""What is valid in the section of an organization, but probably not intended: the wrong address, masked user ids."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from exporter.common.text import explained

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exporter.config.schema import Organization
    from exporter.model.user import User

WHERE_THE_DOMAIN_IS = "Instance Management > Enterprise Dedicated Edition > Public Domain Name (公网访问域名)"
"""Where the console shows the domain of an instance."""

_CENTRAL = re.compile(
    r"openapi-rdc\.aliyuncs\.com|devops\.[a-z0-9-]+\.aliyuncs\.com|(?:[a-z0-9-]+\.)*(?:aliyun\.com|qoder\.com\.cn)"
)
"""The API of the central edition, the older API that takes AccessKeys, and the web pages of Alibaba Cloud."""
_CONSOLE_PAGES = frozenset({"users", "settings", "personalaccesstoken", "console", "login", "org-admin"})
_API = "oapi"
_USUAL_PORTS = {"http": frozenset({443, 8443}), "https": frozenset({80, 8080})}
"""The ports on which one usually meets the other scheme."""
_OTHER = {"http": "https", "https": "http"}
_NAMED = 5
"""User ids named in a warning."""


def is_masked(user_id: str) -> bool:
    """Whether a user id was copied from a document or a list that hides a part of it."""
    return "*" in user_id


def organization_warnings(path: str, config: Organization, users: Sequence[User]) -> Iterator[str]:
    """What is probably not intended in an organization, as sentences.

    Args:
        path: the key path of the organization, such as ``organizations[0]``.
        config: its section.
        users: the users of `static` and `files`.
    """
    for warning in _endpoint_warnings(config):
        yield f"{path}.{warning}"
    masked = [user.user_id for user in users if is_masked(user.user_id)]
    if masked:
        more = f" and {len(masked) - _NAMED} more" if len(masked) > _NAMED else ""
        yield explained(
            f"user ids with * are masked, the platform does not know them: {', '.join(masked[:_NAMED])}{more}",
            "write whole ids, or use users.discover",
            reason=f"{path}.users",
        )


def _endpoint_warnings(config: Organization) -> Iterator[str]:
    address = urlsplit(config.endpoint)
    for key, host in (("endpoint", address.hostname), ("host_header", config.host_header)):
        name = (host or "").lower().partition(":")[0].rstrip(".")
        if _CENTRAL.fullmatch(name):
            yield explained(
                f"{name} belongs to the central edition (中心版) or to the web pages of Alibaba Cloud, which do not "
                "have the list of a user's tokens",
                f"use the domain of the Enterprise Dedicated Edition (企业专属版): {WHERE_THE_DOMAIN_IS}",
                reason=key,
            )
    if (problem := _path_problem(address)) is not None:
        yield problem
    yield from _scheme_problems(address, config)


def _path_problem(address: SplitResult) -> str | None:
    """A warning if the path is that of a page or of the API: a gateway may use a different path."""
    segments = address.path.split("/")
    for position, segment in enumerate(segments):
        name = segment.lower()
        if name == _API:
            what = "a path of the API, which the exporter adds"
        elif name in _CONSOLE_PAGES:
            what = "a page of the console, not the API"
        else:
            continue
        only = f"{address.scheme}://{address.netloc}{'/'.join(segments[:position])}"
        return explained(f"{address.path} is {what}", f"write only {only}", reason="endpoint")
    return None


def _scheme_problems(address: SplitResult, config: Organization) -> Iterator[str]:
    scheme = address.scheme.lower()
    if address.port in _USUAL_PORTS[scheme]:
        other = _OTHER[scheme]
        yield explained(
            f"port {address.port} is usual for {other}://, not for {scheme}://",
            f"write {other}:// if the port speaks {other.upper()}; check-config --probe tries it",
            reason="endpoint",
        )
    elif scheme == "http" and not _is_loopback(address.hostname or ""):
        yield explained(
            "http:// sends the token unencrypted; anyone on the network path can read it",
            "use https:// if the platform offers it",
            reason="endpoint",
        )
    if scheme == "http" and config.tls != type(config.tls)():
        yield explained("has no effect, because endpoint is http://", "write https:// or remove it", reason="tls")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
