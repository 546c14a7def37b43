from __future__ import annotations

import pytest
from support.configuration import settled, with_organization

GOOD = "https://acme.rdc.aliyuncs.com"
DOMAIN = "Instance Management > Enterprise Dedicated Edition > Public Domain Name (公网访问域名)"


def warnings(endpoint: str, line: str = "") -> tuple[str, ...]:
    return settled(with_organization(line).replace("https://acme.example.com", endpoint)).warnings(0)


@pytest.mark.parametrize(
    "endpoint",
    [
        GOOD,
        "https://yunxiao.acme.example.com:8443",
        "https://gateway.example.com/yunxiao",
        # No host of Alibaba Cloud, although it looks like one.
        "https://devops.acme-aliyun.com",
        "https://devops.aliyun.com.example.com",
        "http://127.0.0.1:8080",
        "http://localhost:8080",
        "http://[::1]:8080",
    ],
)
def test_good_addresses_give_no_warning(endpoint: str) -> None:
    assert warnings(endpoint) == ()


@pytest.mark.parametrize(
    "host",
    [
        "openapi-rdc.aliyuncs.com",
        "OpenAPI-RDC.aliyuncs.com.",
        "devops.aliyun.com",
        "codeup.aliyun.com",
        "flow.aliyun.com",
        "account-devops.aliyun.com",
        "lingma.aliyun.com",
        "devops.cn-hangzhou.aliyuncs.com",
        "qoder.com.cn",
    ],
)
def test_hosts_of_the_central_edition_give_a_warning(host: str) -> None:
    name = host.lower().rstrip(".")
    words = (
        f"{name} belongs to the central edition (中心版) or to the web pages of Alibaba Cloud, which do not have the "
        f"list of a user's tokens; use the domain of the Enterprise Dedicated Edition (企业专属版): {DOMAIN}"
    )
    assert warnings(f"https://{host}") == (f"organizations[0].endpoint: {words}",)
    assert warnings(GOOD, f"host_header: {host.rstrip('.')}:443") == (f"organizations[0].host_header: {words}",)


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        (
            f"{GOOD}/users/settings/personalAccessToken/",
            f"/users/settings/personalAccessToken is a page of the console, not the API; write only {GOOD}",
        ),
        (f"{GOOD}/console", f"/console is a page of the console, not the API; write only {GOOD}"),
        (f"{GOOD}/Login", f"/Login is a page of the console, not the API; write only {GOOD}"),
        (
            "https://gw.example.com:8443/yunxiao/oapi/v1/platform/user",
            "/yunxiao/oapi/v1/platform/user is a path of the API, which the exporter adds; write only "
            "https://gw.example.com:8443/yunxiao",
        ),
    ],
)
def test_pages_and_paths_of_the_api_give_a_warning(endpoint: str, words: str) -> None:
    assert warnings(endpoint) == (f"organizations[0].endpoint: {words}",)


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        (
            "http://acme.example.com:443",
            "port 443 is usual for https://, not for http://; write https:// if the port speaks HTTPS; "
            "check-config --probe tries it",
        ),
        (
            "https://acme.example.com:80",
            "port 80 is usual for http://, not for https://; write http:// if the port speaks HTTP; "
            "check-config --probe tries it",
        ),
        (
            "http://acme.example.com",
            "http:// sends the token unencrypted; anyone on the network path can read it; "
            "use https:// if the platform offers it",
        ),
    ],
)
def test_a_scheme_that_is_probably_wrong_gives_a_warning(endpoint: str, words: str) -> None:
    assert warnings(endpoint) == (f"organizations[0].endpoint: {words}",)


def test_tls_settings_without_tls_give_a_warning() -> None:
    assert warnings("http://127.0.0.1:8080", "tls: {insecure_skip_verify: true}") == (
        "organizations[0].tls: has no effect, because endpoint is http://; write https:// or remove it",
    )
    assert warnings(GOOD, "tls: {insecure_skip_verify: true}") == ()


def test_masked_user_ids_give_a_warning_that_names_a_few() -> None:
    ids = ["3001****-****-4229-a7f2-********41ad", *(f"{number}**" for number in range(6)), "3001"]
    listed = ", ".join(f'{{id: "{one}"}}' for one in ids)
    text = with_organization("").replace('{id: "3001", name: li.wei}', listed)
    assert settled(text).warnings(0) == (
        "organizations[0].users: user ids with * are masked, the platform does not know them: "
        "3001****-****-4229-a7f2-********41ad, 0**, 1**, 2**, 3** and 2 more; write whole ids, or use users.discover",
    )
