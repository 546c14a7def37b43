"""Makes up people with their tokens and SSH keys from a seed: the same seed and number give the same person."""

from __future__ import annotations

import random
import uuid
import zlib
from typing import TYPE_CHECKING

from exporter.model.user import User
from exporter.platform.yunxiao.simulator.records import (
    DAY,
    DEPARTMENTS,
    HOUR,
    MINUTE,
    KeyRecord,
    PersonRecord,
    TokenRecord,
)

if TYPE_CHECKING:
    from collections.abc import Collection

_FAMILY = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = (
    "伟",
    "芳",
    "娜",
    "秀英",
    "敏",
    "静",
    "丽",
    "强",
    "磊",
    "军",
    "洋",
    "勇",
    "艳",
    "杰",
    "涛",
    "明",
    "超",
    "浩然",
)
_LATIN = ("li.wei", "wang.fang", "zhang.min", "chen.jie", "yang.tao", "zhao.lei", "sun.yan", "ma.chao", "lin.jing")
_PURPOSES = ("ci", "deploy", "laptop", "backup-job", "流水线", "release-bot", "sonar", "ide", "migration", "nightly")
PERMISSIONS = (
    "base_user_read",
    "base_organization_read",
    "base_orgmember_read",
    "base_orgmember_read_write",
    "lingma_chat_read",
    "lingma_chat_read_write",
    "lingma_knowledgeBase_read",
    "lingma_knowledgeBase_read_write",
    "lingma_kbFile_read",
    "lingma_kbFile_read_write",
    "lingma_developerUsage_read",
    "base_user_read_write",
)
"""The permissions that made-up tokens grant: some of those that the platform documents, at both of their levels."""
LONGEST_DESCRIPTION = 200
"""Characters of the longest description that the platform takes."""
_LONG = (
    "Nightly export of the usage statistics of all developers and departments into the data warehouse; owner: platform "
    "team, on-call phone 4711. 夜间把开发者与部门的使用统计导出到数据仓库, 由平台组维护; "
    "更换令牌前请先在值班群里通知, 并同步更新流水线变量 LINGMA_TOKEN."
)
_DESCRIPTIONS = (
    "",
    "CI pipeline of the web shop",
    "流水线发布用, 请勿删除",
    "",
    "Sync of departments into the HR system, every night at 02:00",
    "个人笔记本上的 IDE 插件",
    "Dashboard of Lingma usage for the management; ask ops@example.com before you delete it",
    "知识库同步脚本 (平台组)",
    "",
    _LONG[:LONGEST_DESCRIPTION],
    "临时测试, 月底删除",
    "Backup of the knowledge base",
)
_KEY_TITLES = ("laptop", "build-server", "工作站", "jump host", "runner-7")
_NAMESPACE = uuid.UUID("6f1b2f5e-7c1d-5a55-9c0b-0d6d5f6f9e11")
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def chance_of(*parts: object) -> random.Random:
    """Random numbers that depend on these parts alone."""
    return random.Random("/".join(map(str, parts)))  # noqa: S311 - made-up people, nothing to guess


def made_up_user(seed: int, number: int) -> User:
    """The user of this number: id and name."""
    chance = chance_of(seed, number, "name")
    user_id = str(uuid.uuid5(_NAMESPACE, f"{seed}/{number}"))
    if number % 3 == 0:
        return User(user_id, chance.choice(_FAMILY) + chance.choice(_GIVEN))
    return User(user_id, f"{chance.choice(_LATIN)}.{number}")


def made_up_person(seed: int, number: int, user: User) -> PersonRecord:
    """The entry of a user in the directory."""
    username = user.name if user.name.isascii() else f"user.{number}"
    department = chance_of(seed, number, "department").choice(list(DEPARTMENTS))
    return PersonRecord(user.user_id, user.name, username, f"{username}@example.com", (department,))


def made_up_tokens(seed: int, number: int, base: float) -> tuple[TokenRecord, ...]:
    """Three tokens on average. The first users show one kind each, so that a small enterprise has them all."""
    chance = chance_of(seed, number, "tokens")
    kinds = ("minutes", "days", "expired", "never", "many", "months", "none")
    if number < len(kinds):
        chosen = [kinds[number]]
    else:
        chosen = chance.choices(kinds[:-1], weights=(1, 12, 14, 8, 5, 60), k=chance.choice((0, 1, 2, 3, 3, 4, 5, 6)))
    return tuple(_token(chance, kind, base) for kind in chosen if kind != "none")


def made_up_keys(seed: int, number: int, base: float) -> tuple[KeyRecord, ...]:
    """Up to two SSH keys; one in four never expires."""
    chance = chance_of(seed, number, "keys")
    return tuple(_key(chance, number * 10 + index + 1, base) for index in range(chance.choice((0, 1, 1, 2))))


def new_name(chance: random.Random, *, other_than: str) -> str:
    """A name for a token that is renamed."""
    while (name := _name(chance)) == other_than:
        pass
    return name


def new_token(chance: random.Random, now: float, lifetime: float, granted: Collection[str]) -> TokenRecord:
    """A token that is created now."""
    token_id, name = _token_id(chance), _name(chance)
    return TokenRecord(token_id, name, tuple(granted), float(int(now)), float(int(now + lifetime)), _about(token_id))


def _token(chance: random.Random, kind: str, base: float) -> TokenRecord:
    left: float | None
    match kind:
        case "minutes":
            left = chance.uniform(5 * MINUTE, 55 * MINUTE)
        case "days":
            left = chance.uniform(1 * DAY, 14 * DAY)
        case "expired":
            left = -chance.uniform(1 * HOUR, 200 * DAY)
        case "never":
            left = None
        case _:
            left = chance.uniform(15 * DAY, 300 * DAY)
    many = kind == "many"
    granted = chance.sample(PERMISSIONS, len(PERMISSIONS) if many else chance.randint(1, 3))
    lifetime = chance.choice((30, 90, 180, 365)) * DAY
    end = base + (lifetime / 2 if left is None else left)
    token_id = _token_id(chance)
    return TokenRecord(
        token_id=token_id,
        name=_name(chance),
        permissions=tuple(granted),
        # whole seconds, as a person would read them; a created date never lies ahead of the base
        created_at=float(int(min(end - lifetime, base - HOUR))),
        expires_at=None if left is None else float(int(base + left)),
        description=_about(token_id),
    )


def _token_id(chance: random.Random) -> str:
    return "pt-" + "".join(chance.choices(_ALPHABET, k=12))


def _name(chance: random.Random) -> str:
    return f"{chance.choice(_PURPOSES)}-{chance.randint(1, 9)}"


def _about(token_id: str) -> str:
    """A description that depends on the id alone, so that it changes nothing else that a seed makes up."""
    return _DESCRIPTIONS[zlib.crc32(token_id.encode()) % len(_DESCRIPTIONS)]


def _key(chance: random.Random, key_id: int, base: float) -> KeyRecord:
    created_at = float(int(base - chance.uniform(1, 300) * DAY))
    return KeyRecord(
        key_id=key_id,
        title=chance.choice(_KEY_TITLES),
        fingerprint=":".join(f"{chance.getrandbits(8):02x}" for _ in range(16)),
        scope=chance.choice(("ALL", "READ")),
        created_at=created_at,
        expires_at=chance.choice((None, *(float(int(base + days * DAY)) for days in (-3, 10, 200)))),
        last_used_at=chance.choice((None, created_at + HOUR, float(int(base - HOUR)))),
    )
