"""The sample response of the platform's documentation, and each of its values worked out by hand.

It documents the call "ListUserPersonalAccessTokens" of the dedicated edition. The user's id is masked in it, as is the
token's id.
"""

from __future__ import annotations

import json

USER_ID = "3001****-****-4229-a7f2-********41ad"
"""The owner of the token, as the sample names it."""
ASKED_USER_ID = "30015f0c-1b7e-4229-a7f2-9d64c8e041ad"
"""An id that `USER_ID` may stand for: it has the same characters wherever the mask shows one."""
TOKEN_ID = "pt-0fh3****0fbG"
NAME = "示例令牌名称"
DESCRIPTION = "示例令牌描述"
PERMISSIONS = ("base_user_read",)
CREATED = "2025-05-22T12:44:50.048Z"
EXPIRES = "2025-06-22T12:44:50.048Z"
CREATED_AT = 1_747_917_890.048
"""20,230 days of 86,400 s after the epoch, and 12 h 44 min 50.048 s."""
EXPIRES_AT = 1_750_596_290.048
"""31 days after `CREATED_AT`."""

ENTRY = {
    "created_at": CREATED,
    "description": DESCRIPTION,
    "expired_at": EXPIRES,
    "name": NAME,
    "permissions": list(PERMISSIONS),
    "token_id": TOKEN_ID,
    "user_id": USER_ID,
}
BODY = json.dumps([ENTRY], ensure_ascii=False, indent=4).encode()
"""The response: a bare array with one token."""
