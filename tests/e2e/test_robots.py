"""Messages to group robots: the templates in deploy/alertmanager, rendered by amtool, in the robots' documented forms.

Debian's amtool is older than the payloads of webhook_configs, so what Alertmanager does with a payload is done here.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.running import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    Render = Callable[[Sequence[Path], str, Mapping[str, Any]], str]

FOLDER = ROOT / "deploy/alertmanager"
TEMPLATES = FOLDER / "templates"
ADAPTERS = FOLDER / "adapters"
LANGUAGES = ["zh", "en"]
# https://open.dingtalk.com/document/group/custom-robot-access: 20,000 bytes.
# https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot: 20 KB.
# https://developer.work.weixin.qq.com/document/path/91770: 4,096 bytes of content.
LIMITS = {"dingtalk": 20_000, "feishu": 20_000, "wecom": 4096}
SEPARATOR = "\x1e"
PAGE = "https://tokens.example.com/tokens/acme/pt-1"
RUNBOOK = "https://tokens.example.com/runbooks/YunxiaoTokenExpiringCritical"


def an_alert(number: int = 1, *, status: str = "firing", **changes: Any) -> dict[str, Any]:
    """An alert as the exporter and its rules make them."""
    labels = {
        "alertname": "YunxiaoTokenExpiringCritical",
        "severity": "critical",
        "organization": "acme",
        "user": "李娜",
        "user_id": "u1",
        "token": f"ci-{number}",
        "token_id": f"pt-{number}",
    }
    annotations = {
        "summary": f"组织 acme 中 李娜 的令牌 ci-{number} 即将过期，过期时间 2026-11-27 08:00",
        "description": f"组织 acme 中 李娜 的令牌 ci-{number}（pt-{number}）将于 2026-11-27 08:00 过期。"
        f"负责人：li.na@example.com，平台组。详情：{PAGE}",
        "page_url": PAGE,
        "runbook_url": RUNBOOK,
        "owner_email": "li.na@example.com",
        "owner_department": "平台组",
    }
    return {
        "status": status,
        "labels": labels | changes.get("labels", {}),
        "annotations": annotations | changes.get("annotations", {}),
        "startsAt": "2026-11-26T00:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example.com/graph?g0.expr=x",
        "fingerprint": "0e5ee939fe6ea78d",
    }


def a_group(*alerts: Mapping[str, Any]) -> dict[str, Any]:
    """What Alertmanager gives to the templates of a notification."""

    def common(what: str) -> dict[str, str]:
        first, *others = (alert[what] for alert in alerts)
        return {name: value for name, value in first.items() if all(one.get(name) == value for one in others)}

    firing = any(alert["status"] == "firing" for alert in alerts)
    return {
        "receiver": "robots",
        "status": "firing" if firing else "resolved",
        "alerts": alerts,
        "groupLabels": {"alertname": alerts[0]["labels"]["alertname"], "organization": "acme"},
        "commonLabels": common("labels"),
        "commonAnnotations": common("annotations"),
        "externalURL": "http://alertmanager.example.com:9093",
    }


# Everything that markup, YAML, JSON and templates could make something of.
NASTY = (
    '<at id=all></at> <@all> [x](http://evil.example.com) `a` **b** ~~c~~ \\ "d" {{ .ExternalURL }} # e: f\n- g: &h\t'
)
NASTY += "\u202e"
HOSTILE = an_alert(
    labels={"user": NASTY, "token": NASTY, "organization": NASTY},
    annotations={"summary": NASTY, "description": NASTY, "owner_email": NASTY, "owner_department": NASTY},
)
HUGE = "🔥" * 1000 + '"'
LONG = an_alert(
    labels={"user": HUGE, "organization": HUGE},
    annotations={"summary": HUGE, "description": HUGE, "owner_email": HUGE, "owner_department": HUGE}
    | dict.fromkeys(("page_url", "runbook_url"), f"https://example.com/{'x' * 170}"),
)
GROUPS = {
    "one": a_group(an_alert()),
    "resolved": a_group(an_alert(status="resolved")),
    "some": a_group(an_alert(), an_alert(2, status="resolved")),
    "many": a_group(*(an_alert(number) for number in range(30))),
    "hostile": a_group(HOSTILE),
    "several hostile": a_group(*[HOSTILE] * 9),
    "long": a_group(LONG),
    "many long": a_group(*[LONG] * 100),
    "bare": a_group({**an_alert(), "labels": {"alertname": "X"}, "annotations": {}, "generatorURL": ""}),
}


@pytest.fixture
def render(amtool: str, tmp_path: Path) -> Render:
    def rendered(files: Sequence[Path], text: str, group: Mapping[str, Any]) -> str:
        data = tmp_path / "data.json"
        data.write_text(json.dumps(group), encoding="utf-8")
        globs = [f"--template.glob={file}" for file in files]
        command = [amtool, "template", "render", *globs, f"--template.text={text}", f"--template.data={data}"]
        result = subprocess.run(command, capture_output=True, timeout=20, check=False)
        assert result.returncode == 0, result.stderr.decode()
        return result.stdout.decode()

    return rendered


def payloads() -> dict[str, Any]:
    receivers = yaml.safe_load((FOLDER / "robots.yml").read_text("utf-8"))["receivers"]
    return {receiver["name"]: receiver["webhook_configs"][0]["payload"] for receiver in receivers}


def filled(value: Any, rendered: Mapping[str, str]) -> Any:
    """The payload as Alertmanager sends it. What it renders stays only if it is a string for YAML, or not valid."""
    if isinstance(value, str):
        text = rendered[value]
        try:
            found = yaml.safe_load(text)
        except yaml.YAMLError:
            return text
        assert isinstance(found, str), f"Alertmanager would send {found!r} instead of {text!r}"
        return text
    if isinstance(value, dict):
        return {name: filled(one, rendered) for name, one in value.items()}
    return [filled(one, rendered) for one in value] if isinstance(value, list) else value


def strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from strings(one)


def size(message: Mapping[str, Any]) -> int:
    """Bytes of the JSON that Go writes, which escapes three characters."""
    return len(re.sub("[<>&]", r"\\u0000", json.dumps(message, ensure_ascii=False)).encode())


def messages(render: Render, language: str, group: str) -> dict[str, Any]:
    """The message to each robot."""
    files = [TEMPLATES / "robots.tmpl", TEMPLATES / f"words.{language}.tmpl"]
    texts = [*strings(payloads())]
    rendered = render(files, SEPARATOR.join(texts), GROUPS[group]).split(SEPARATOR)
    return filled(payloads(), dict(zip(texts, rendered, strict=True)))  # type: ignore[no-any-return]


def test_a_single_alert_in_chinese(render: Render) -> None:
    text = f"""**🔴 严重 · 云效令牌 · 触发 1 条**

**🔴 组织 acme 中 李娜 的令牌 ci-1 即将过期，过期时间 2026-11-27 08:00**

组织 acme 中 李娜 的令牌 ci-1（pt-1）将于 2026-11-27 08:00 过期。负责人：li.na@example.com，平台组。

[处理手册]({RUNBOOK}) [详情]({PAGE})"""
    title = "🔴 严重 · 云效令牌 · 组织 acme 中 李娜 的令牌 ci-1 即将过期，过期时间 2026-11-27 08:00"
    assert messages(render, "zh", "one") == {
        "dingtalk": {"msgtype": "markdown", "markdown": {"title": title, "text": text}},
        "feishu": {
            "msg_type": "interactive",
            "card": {
                "config": {"wide_screen_mode": True},
                "header": {"template": "red", "title": {"tag": "plain_text", "content": title}},
                "elements": [{"tag": "div", "text": {"tag": "lark_md", "content": text}}],
            },
        },
        "wecom": {"msgtype": "markdown", "markdown": {"content": text}},
    }


def test_several_alerts_in_english(render: Render) -> None:
    group = GROUPS["some"]
    (first, second) = (alert["annotations"]["summary"] for alert in group["alerts"])
    found = messages(render, "en", "some")
    assert found["wecom"]["markdown"]["content"] == (
        "**🔴 critical · Yunxiao tokens · 1 firing, 1 resolved**\n\n"
        f"🔴 {first} [Details]({PAGE})\n\n✅ {second} [Details]({PAGE})"
    )
    assert found["dingtalk"]["markdown"]["title"] == (
        "🔴 critical · Yunxiao tokens · YunxiaoTokenExpiringCritical · 1 firing, 1 resolved"
    )


def test_a_group_is_a_list_with_a_link_to_the_rest(render: Render) -> None:
    found = messages(render, "zh", "many")
    text = found["dingtalk"]["markdown"]["text"]
    assert text.startswith("**🔴 严重 · 云效令牌 · 触发 30 条**\n")
    assert (text.count("[处理手册]"), text.count("[详情]")) == (3, 12)
    assert text.endswith(
        "\n\n此处仅列出部分告警，查看全部 [Alertmanager](http://alertmanager.example.com:9093/#/alerts)"
    )
    assert found["wecom"]["markdown"]["content"].count("[详情]") == 6


def test_the_owner_is_named_if_the_description_does_not(render: Render) -> None:
    group = a_group(an_alert(annotations={"description": "说明。"}))
    files = [TEMPLATES / "robots.tmpl", TEMPLATES / "words.zh.tmpl"]
    text = render(files, '{{ template "yunxiao.text" . }}', group)
    assert "\n\n负责人：李娜 li.na@example.com 平台组\n\n" in text


def test_a_group_is_as_severe_as_its_worst_firing_alert(render: Render) -> None:
    info, warning, critical = (an_alert(labels={"severity": name}) for name in ("info", "warning", "critical"))
    over = an_alert(status="resolved")
    files = [TEMPLATES / "robots.tmpl", TEMPLATES / "words.en.tmpl"]

    def shown(*alerts: Mapping[str, Any]) -> list[str]:
        text = render(files, '{{ template "yunxiao.colour" . }} {{ template "yunxiao.status" . }}', a_group(*alerts))
        return text.split(" · ")[0].split()

    assert shown(info, critical, warning) == ["red", "🔴", "critical"]
    assert shown(over, warning, info) == ["orange", "🟠", "warning"]
    assert shown(over, info) == ["blue", "🔵", "info"]


def test_what_is_over_is_green(render: Render) -> None:
    found = messages(render, "zh", "resolved")
    assert found["feishu"]["card"]["header"]["template"] == "green"
    assert found["wecom"]["markdown"]["content"].startswith("**✅ 已恢复 · 云效令牌 · 触发 0 条，恢复 1 条**")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("group", ["hostile", "several hostile", "bare"])
def test_names_mention_no_user_and_change_no_layout(render: Render, group: str, language: str) -> None:
    for robot, message in messages(render, language, group).items():
        for text in strings(message):
            if text.startswith("**"):
                check_text(text)
                assert "`" not in text
            assert "\u202e" not in text
        if robot != "wecom":
            titles = [text for text in strings(message) if text.startswith("🔴")]
            assert [text.count("\n") for text in titles] == [0] * len(titles)


def check_text(text: str) -> None:
    assert re.findall(r"<[@a-z]", text) == []
    assert {*re.findall(r"\]\((.*?)\)", text)} <= {PAGE, RUNBOOK, "http://alertmanager.example.com:9093/#/alerts"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("group", ["long", "many long"])
def test_messages_are_never_too_large(render: Render, group: str, language: str) -> None:
    for robot, message in messages(render, language, group).items():
        content = len(message["markdown"]["content"].encode()) if robot == "wecom" else size(message)
        assert 1000 < content <= LIMITS[robot], robot


def for_amtool(template: str) -> str:
    """A template of an adapter, with the functions that amtool lacks replaced by those it has."""

    def quoted(match: re.Match[str]) -> str:
        text = json.loads(f'"{match[1]}"')
        return f"reReplaceAll {json.dumps(re.escape(text), ensure_ascii=False)} "

    template = re.sub(r'replace "((?:\\.|[^"\\])*)" ', quoted, template)
    return template.replace("contains . ", 'match (reReplaceAll "[^A-Za-z0-9]" "." .) ')


@pytest.fixture
def render_adapter(render: Render, tmp_path: Path) -> Callable[[str, str, str, str], str]:
    def rendered(robot: str, language: str, name: str, group: str) -> str:
        if robot == "dingtalk":
            files = [ADAPTERS / "prometheus-webhook-dingtalk/yunxiao.tmpl", TEMPLATES / f"words.{language}.tmpl"]
        else:
            suffix = ".zh" if language == "zh" else ""
            files = [ADAPTERS / f"alertmanager-webhook-adapter/templates/{robot}{suffix}.tmpl"]
        copies = []
        for file in files:
            copies.append(tmp_path / file.name)
            copies[-1].write_text(for_amtool(file.read_text("utf-8")), encoding="utf-8")
        return render(copies, f'{{{{ template "{name}" . }}}}', GROUPS[group])

    return rendered


ADAPTED = {"dingtalk": ("yunxiao.title", "yunxiao.text")} | dict.fromkeys(
    ("feishu", "weixin"), ("prom.title", "prom.markdown")
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("robot", ADAPTED)
def test_adapters_send_the_same(render_adapter: Callable[..., str], robot: str, language: str) -> None:
    title, text = ADAPTED[robot]
    found = render_adapter(robot, language, text, "one")
    counts = {"zh": "🔴 严重 · 云效令牌 · 触发 1 条", "en": "🔴 critical · Yunxiao tokens · 1 firing"}[language]
    summary = GROUPS["one"]["alerts"][0]["annotations"]["summary"]
    assert found.startswith(f"**{counts}**\n\n**🔴 {summary}**\n\n组织 acme 中 李娜 的令牌 ci-1（pt-1）将于")
    assert f"]({RUNBOOK}) [" in found
    assert "\n" not in render_adapter(robot, language, title, "many")
    listed = render_adapter(robot, language, text, "many")
    assert listed.endswith(" [Alertmanager](http://alertmanager.example.com:9093/#/alerts)")
    for group in ("long", "many long"):
        size = len(json.dumps(render_adapter(robot, language, text, group), ensure_ascii=False).encode())
        assert size <= (LIMITS["wecom"] if robot == "weixin" else 19_000), group
    if robot == "dingtalk":
        check_text(render_adapter(robot, language, text, "hostile"))
    render_adapter(robot, language, text, "bare")


def test_the_configurations_are_valid(amtool: str, tmp_path: Path) -> None:
    config = yaml.safe_load((FOLDER / "robots.yml").read_text("utf-8"))
    for receiver in config["receivers"]:
        (webhook,) = receiver["webhook_configs"]
        # Newer than amtool: payload since 0.32, url_file since 0.26.
        assert {*webhook} == {"url_file", "payload"}
        receiver["webhook_configs"] = [{"url": "https://robot.example.com"}]
    assert [file.rpartition("/")[2] for file in config["templates"]] == ["robots.tmpl", "words.zh.tmpl"]
    config["templates"] = [str(TEMPLATES / file.rpartition("/")[2]) for file in config["templates"]]
    older = tmp_path / "robots.yml"
    older.write_text(yaml.safe_dump(config))
    for file in (older, ADAPTERS / "alertmanager.yml"):
        result = subprocess.run([amtool, "check-config", str(file)], capture_output=True, timeout=20, check=False)
        assert result.returncode == 0, result.stderr.decode()


def test_both_languages_have_the_same_words() -> None:
    words = [
        re.findall(r'define "([^"]+)"', (TEMPLATES / f"words.{language}.tmpl").read_text("utf-8"))
        for language in LANGUAGES
    ]
    assert words[0] == words[1]
    used = set(re.findall(r'"(yunxiao\.word\.\w+)"', (TEMPLATES / "robots.tmpl").read_text("utf-8")))
    assert used == {*words[0]}
