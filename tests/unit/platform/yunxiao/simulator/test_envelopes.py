from __future__ import annotations

import json

from exporter.platform.yunxiao.simulator.envelopes import ENVELOPES, MESSAGE, refusal


def test_each_envelope_is_json_that_differs_from_the_others() -> None:
    texts = {json.dumps(dict(body), sort_keys=True) for body in ENVELOPES.values()}
    assert len(texts) == len(ENVELOPES) == 13


def test_the_message_is_chinese_so_that_encodings_matter() -> None:
    assert MESSAGE.encode("gb18030") != MESSAGE.encode()


def test_the_documented_body_of_an_error() -> None:
    assert refusal("Forbidden", "no", "1") == {"errorCode": "Forbidden", "errorMessage": "no", "requestId": "1"}
