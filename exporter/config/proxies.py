"""Chooses the proxy for an address from the environment: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.

There is no standard for `NO_PROXY`, and programs differ. Here all forms that others understand are understood, and an
entry that is not is an error: to skip it could send the token through a proxy that is not meant for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from exporter.common.text import explained, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PORTS = {"http": 80, "https": 443}
_SEPARATOR = re.compile(r"[\s,]+")
_WITH_PORT = re.compile(r"(?P<name>\[[^\[\]]+\]|[^:\[\]]+)(?::(?P<port>\d{1,5}))?")
_DOMAIN = re.compile(r"(?:\*?\.)?(?P<name>[\w-]+(?:\.[\w-]+)*)\.?")
_SHOWN = 80
_FORMS = "write hosts, domains, IP addresses or networks, each with or without a port, or *; separate them by commas"


def proxy_for(address: str, environ: Mapping[str, str]) -> str | None:
    """The URL of the proxy for an address; None to connect directly.

    Args:
        address: the URL to connect to.
        environ: the environment. Names in lower case take precedence.

    Raises:
        ValueError: the proxy is not supported, or an entry of `NO_PROXY` is not understood. The text names what is
            wrong and what to do, and contains neither the proxy's URL nor a password.
    """
    parts = urlsplit(address)
    for name in (f"{parts.scheme}_proxy", "all_proxy"):
        variable, url = _setting(name, environ)
        if url:
            break
    else:
        return None
    port = parts.port or _PORTS.get(parts.scheme)
    if parts.hostname is None or _is_exempt(parts.hostname, port, environ):
        return None
    return _checked(url, variable)


def _setting(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """The variable of this name, in lower case or otherwise in any case, and its value; "" if it is not set."""
    if name in environ:
        return name, environ[name].strip()
    if name == "http_proxy" and "REQUEST_METHOD" in environ:
        # A CGI program gets the header `Proxy` of any client as HTTP_PROXY.
        return name, ""
    return next(
        (
            (variable, value.strip())
            for variable, value in environ.items()
            if variable.lower() == name and value.strip()
        ),
        (name, ""),
    )


def _checked(url: str, variable: str) -> str:
    """The URL of a proxy, with its scheme."""
    whole = url if "://" in url else f"http://{url}"
    scheme = whole.partition(":")[0].lower()
    if scheme.startswith("socks"):
        hint = "set proxy_url to an HTTP proxy, or list the host in NO_PROXY"
        raise ValueError(explained(f"{variable} is a SOCKS proxy, which is not supported", hint))
    try:
        parts = urlsplit(whole)
        valid = parts.hostname and parts.port != 0 and not any(char.isspace() for char in whole)
    except ValueError:
        valid = False
    if not valid or scheme not in _PORTS:
        hint = "write http:// or https://, a host and optionally a port"
        raise ValueError(explained(f"{variable} is not a valid URL of an HTTP proxy", hint))
    return whole


@dataclass(frozen=True, slots=True)
class _Exempt:
    """An entry of `NO_PROXY`.

    Attributes:
        what: a domain with its subdomains, an address, or a network; None for all hosts.
        port: None for all ports.
    """

    what: str | IPv4Address | IPv6Address | IPv4Network | IPv6Network | None
    port: int | None = None

    def matches(self, host: str, address: IPv4Address | IPv6Address | None, port: int | None) -> bool:
        """Whether a host is exempt, whose address is None if it is a name."""
        if self.what is None:
            return True
        if self.port is not None and self.port != port:
            return False
        if isinstance(self.what, str):
            return address is None and (host == self.what or host.endswith(f".{self.what}"))
        if isinstance(self.what, (IPv4Address, IPv6Address)):
            return address == self.what
        return address is not None and address in self.what


def _is_exempt(host: str, port: int | None, environ: Mapping[str, str]) -> bool:
    _, text = _setting("no_proxy", environ)
    host = host.lower().rstrip(".")
    address = _address(host)
    entries = list(_entries(text))
    if any(found is not None and found.matches(host, address, port) for _, found in entries):
        return True
    for number, (entry, found) in enumerate(entries, start=1):
        if found is None:
            shown = "" if "@" in entry else f" ({printable(entry[:_SHOWN])})"
            raise ValueError(explained(f"entry {number} of NO_PROXY{shown} is not understood", _FORMS))
    return False


def _entries(text: str) -> Iterator[tuple[str, _Exempt | None]]:
    """The entries as they are written, and what they mean; None if they are not understood."""
    for entry in filter(None, _SEPARATOR.split(text)):
        yield entry, _exempt(entry.lower())


def _exempt(entry: str) -> _Exempt | None:
    if entry == "*":
        return _Exempt(None)
    if "/" in entry:
        try:
            return _Exempt(ip_network(re.sub(r"[\[\]]", "", entry), strict=False))
        except ValueError:
            return None
    if (address := _address(entry)) is not None:
        return _Exempt(address)
    parts = _WITH_PORT.fullmatch(entry)
    if parts is None:
        return None
    port = int(parts["port"]) if parts["port"] else None
    if (address := _address(parts["name"].strip("[]"))) is not None:
        return _Exempt(address, port)
    domain = _DOMAIN.fullmatch(parts["name"])
    # No name ends in a number: this is the beginning of an address.
    if domain is None or domain["name"].rpartition(".")[2].isdecimal():
        return None
    return _Exempt(domain["name"], port)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An IP address; an IPv4 address that is written as IPv6 is the same address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
