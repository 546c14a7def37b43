"""The texts in Chinese, with the terms of the platform's console."""

from __future__ import annotations

from exporter.texts.catalogue import AlertText, Catalogue, LossText, PolicyText, ReasonText

_NAME = "组织 {organization} 用户 {user} 的{credential} {token}"
_NAME_AND_ID = "组织 {organization} 用户 {user} 的{credential} {token}（{token_id}）"
_AT_STAKE = "涉及权限：{permissions}。"
_PURPOSE = "用途：{purpose}。"
_OWNER = "负责人：{contact}。"
_LINK = "详情：{link}"
_ABOUT_A_TOKEN = (_PURPOSE, _OWNER, _LINK)
_EXPIRING = (f"{_NAME_AND_ID}将于 {{expires}} 过期。", _AT_STAKE, _PURPOSE, _OWNER, "剩余时间：{remaining}。", _LINK)

_ALERTS = {
    "YunxiaoTokenExpiringInfo": AlertText(
        f"{_NAME} 将于 {{local}} 过期",
        _EXPIRING,
    ),
    "YunxiaoTokenExpiringWarning": AlertText(
        f"{_NAME} 临近过期，过期时间 {{local}}",
        _EXPIRING,
    ),
    "YunxiaoTokenExpiringCritical": AlertText(
        f"{_NAME} 即将过期，过期时间 {{local}}",
        _EXPIRING,
    ),
    "YunxiaoTokenExpired": AlertText(
        f"{_NAME} 已于 {{local}} 过期",
        (f"{_NAME_AND_ID}已于 {{expires}} 过期。", _AT_STAKE, _PURPOSE, _OWNER, "已过期：{remaining}。", _LINK),
    ),
    "YunxiaoTokenNotRemoved": AlertText(
        f"{_NAME} 已于 {{local}} 过期，尚未删除",
        (
            f"{_NAME_AND_ID}已于 {{expires}} 过期，平台上仍未删除。",
            "请删除；如仍需使用，请重新创建。",
            *_ABOUT_A_TOKEN,
        ),
    ),
    "YunxiaoTokenNotRemoved.per_user": AlertText(
        "组织 {organization} 用户 {user} 有已过期令牌尚未删除，共 {count} 个",
        (
            "组织 {organization} 用户 {user}（{user_id}）的令牌或 SSH 密钥过期已久，平台上仍未删除。",
            "共 {count} 个。",
            "请删除；如仍需使用，请重新创建。",
            _OWNER,
            _LINK,
        ),
    ),
    "YunxiaoTokenNotRemoved.per_policy": AlertText(
        "组织 {organization} 有已过期令牌尚未删除，共 {count} 个",
        (
            "组织 {organization} 有用户的令牌或 SSH 密钥过期已久，平台上仍未删除。",
            "共 {count} 个。",
            "涉及 {users} 名用户。",
            "过期最久的是：{worst}。",
            "请删除；如仍需使用，请重新创建。",
            _LINK,
        ),
    ),
    "YunxiaoTokenNeverExpires": AlertText(
        f"{_NAME} 永不过期",
        (f"{_NAME_AND_ID}永不过期，一旦泄露将一直有效。", "创建时间：{created}。", *_ABOUT_A_TOKEN),
    ),
    "YunxiaoTokenPolicyViolation": AlertText(
        f"{_NAME} 违反策略 {{policy}}",
        (f"{_NAME_AND_ID}违反策略 {{policy}}：{{violation}}。", *_ABOUT_A_TOKEN),
    ),
    "YunxiaoUserPolicyViolation": AlertText(
        "组织 {organization} 用户 {user} 违反策略 {policy}",
        (
            "组织 {organization} 用户 {user}（{user_id}）的令牌违反策略 {policy}：{violation}。",
            "相关令牌：{worst}。",
            _OWNER,
            _LINK,
        ),
    ),
    "YunxiaoPolicyViolation": AlertText(
        "组织 {organization} 违反策略 {policy}，共 {count} 处",
        (
            "组织 {organization} 违反策略 {policy}：{violation}。",
            "共 {count} 处。",
            "涉及 {users} 名用户。",
            "最严重的是：{worst}。",
            _LINK,
        ),
    ),
    "YunxiaoTokenPermissionsWidened": AlertText(
        "组织 {organization} 有令牌的权限扩大",
        ("最近一小时内，组织 {organization} 有令牌获得了更多权限；详见 exporter 的 /api/v1/events。", _LINK),
    ),
    "YunxiaoOrganizationUnreadable": AlertText(
        "组织 {organization} 的所有用户轮询失败：{reason_words}",
        (
            "组织 {organization} 的所有用户轮询失败：{reason_words}（原因 {reason}）。",
            "令牌的变更和过期可能无法及时发现。",
            "开始时间：{began}。",
            "错误信息：{detail}。",
            "处理方法：{reason_meaning}。",
            _LINK,
        ),
    ),
    "YunxiaoUserPollFailing": AlertText(
        "组织 {organization} 用户 {user} 轮询失败：{reason_words}",
        (
            "组织 {organization} 用户 {user}（{user_id}）轮询失败：{reason_words}（原因 {reason}）。",
            "该用户令牌的变更和过期可能无法及时发现。",
            "开始时间：{began}。",
            _OWNER,
            _LINK,
        ),
    ),
    "YunxiaoUserDataStale": AlertText(
        "组织 {organization} 用户 {user} 的令牌数据已陈旧",
        (
            "组织 {organization} 用户 {user}（{user_id}）最近一次轮询成功距今已有 {age}。",
            "成功时间：{last_success}。",
            _OWNER,
            _LINK,
        ),
    ),
    "YunxiaoSweepStalled": AlertText(
        "组织 {organization} 的令牌轮询已停滞",
        ("组织 {organization} 已有 {age}未完成一轮轮询，令牌可能在无人察觉的情况下过期。", _LINK),
    ),
    "YunxiaoExporterTokenExpiring": AlertText(
        "exporter 用于组织 {organization} 的令牌{expiry}",
        ("exporter 用于组织 {organization} 的令牌{expiry}；该令牌失效后将无法轮询任何令牌。", _LINK),
    ),
    "YunxiaoExporterTokenExpiringCritical": AlertText(
        "exporter 用于组织 {organization} 的令牌{expiry}",
        ("exporter 用于组织 {organization} 的令牌{expiry}；该令牌失效后将无法轮询任何令牌。", _LINK),
    ),
    "YunxiaoConfigReloadFailed": AlertText(
        "exporter 的配置无法重新加载",
        ("exporter 拒绝了新的配置文件，仍使用之前的配置运行。", _LINK),
    ),
    "YunxiaoDiscoveryFailing": AlertText(
        "组织 {organization} 的用户发现失败",
        ("长时间无法获取组织 {organization} 的用户列表，新用户的令牌未被监控。", _LINK),
    ),
    "YunxiaoExporterDown": AlertText(
        "Prometheus 无法抓取 exporter{where}",
        ("yunxiao-token-exporter{where}已有十分钟未被抓取，令牌可能在无人察觉的情况下过期。", _LINK),
    ),
}

_POLICIES = {
    "max_lifetime": PolicyText("有效期超过上限", "上限 {limit}", "有效期 {actual}"),
    "never_expires": PolicyText("令牌永不过期", "", "创建于 {actual}"),
    "forbidden_permissions": PolicyText("令牌拥有被禁止的权限", "禁止：{limit}", "拥有：{actual}"),
    "max_tokens_per_user": PolicyText("令牌数量超过上限", "上限 {limit} 个", "共 {actual} 个"),
    "max_age": PolicyText("令牌存在时间超过上限", "上限 {limit}", "创建于 {actual}"),
    "name_pattern": PolicyText("令牌名称不符合规范", "规则 {limit}"),
    "expired_not_removed": PolicyText("令牌过期后未删除", "上限 {limit}", "过期于 {actual}"),
}

_REASONS = {
    "unauthorized": ReasonText(
        "平台拒绝了 exporter 的令牌",
        "如果所有用户都是此原因，说明 exporter 自己的令牌有误、已被吊销或已过期：请新建令牌（个人设置 > 个人访问令牌）"
        "并写入令牌文件；如果只有部分用户如此，请检查这些用户的 id",
    ),
    "forbidden": ReasonText(
        "exporter 的令牌缺少权限",
        "exporter 的令牌缺少权限（读取令牌需要：组织管理 / 用户 / 只读，base_user_read），"
        "或令牌所属用户不是企业管理员，或该用户不在组织内",
    ),
    "not_found": ReasonText("平台上没有该用户", "平台上没有该用户，或该地址没有此接口；请检查用户 id"),
    "bad_request": ReasonText(
        "平台认为请求无效",
        "平台认为请求无效（HTTP 400）：用户 id 格式有误，或页码超出范围；请检查详情中的 id",
    ),
    "unsupported": ReasonText("平台不提供该接口", "当前版本的平台或此类令牌不提供该接口；只有企业专属版提供"),
    "rate_limited": ReasonText(
        "平台对请求限流", "平台对请求限流；请调低 limits.requests_per_second 或调大 poll.interval"
    ),
    "server_error": ReasonText("平台返回服务端错误", "平台出错（HTTP 5xx）；下一轮轮询会重试"),
    "timeout": ReasonText("平台响应超时", "在 poll.timeout 内没有收到完整响应"),
    "connection": ReasonText("无法连接平台", "连接失败或中断；请检查地址、DNS、防火墙和代理"),
    "tls": ReasonText("TLS 握手失败", "TLS 握手失败；请检查 endpoint、证书、tls.ca_file 和 tls.server_name"),
    "redirect": ReasonText(
        "请求被重定向到其他地址",
        "请求被重定向，通常是登录页面：地址有误或令牌被拒绝；exporter 不跟随重定向，以免泄露令牌",
    ),
    "invalid_response": ReasonText(
        "响应不是来自平台接口",
        "响应不是来自平台接口（可能是控制台、登录页或代理的页面，或无效的 JSON）；请检查 endpoint",
    ),
    "internal": ReasonText("exporter 自身的缺陷", "exporter 自身的缺陷；请附上日志中的堆栈信息反馈问题"),
}

CATALOGUE = Catalogue(
    units={"d": " 天", "h": " 小时", "m": " 分钟", "s": " 秒"},
    comma="、",
    colon="：",
    semicolon="；",
    brackets="（{}）",
    space="",
    credentials={"token": "令牌", "ssh_key": " SSH 密钥"},
    expires="将于 {expires} 过期，剩余 {remaining}",
    expires_in="将在 {remaining}后过期",
    expired="已于 {expires} 过期，至今 {remaining}",
    expired_ago="已过期 {remaining}",
    ago="{remaining}前",
    where="（组织 {organization}）",
    alerts=_ALERTS,
    policies=_POLICIES,
    reasons=_REASONS,
    unknown_reason="原因未知",
    losses=LossText(
        lost_at="将于 {time} 失去",
        lost_since="自 {time} 起已失去",
        until="通过其他令牌保留至 {time}",
        kept="通过其他永不过期的令牌保留",
        unclear="无法确定（其他令牌的过期时间未知）",
        more="另有 {count} 项",
    ),
    page={"overview": "概览", "runbooks": "处理手册"},
)
