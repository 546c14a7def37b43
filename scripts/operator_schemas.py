"""Prints the JSON Schemas of the Prometheus operator's objects, as its CRDs have them; unknown keys are errors.

Runs with the Python of `.venv-packaging`, which has the models of the CRDs.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

KINDS = ("ServiceMonitor", "PodMonitor", "PrometheusRule")


def closed(node: Any) -> Any:
    """The same schema in which an object has no other keys than those listed."""
    if isinstance(node, list):
        return [closed(one) for one in node]
    if not isinstance(node, dict):
        return node
    found = {key: closed(value) for key, value in node.items()}
    if isinstance(found.get("pattern"), str):
        # Go takes flags anywhere, Python at the start alone.
        found["pattern"] = found["pattern"].replace("^(?i)", "(?i)^")
    return {"additionalProperties": False} | found if isinstance(node.get("properties"), dict) else found


def main() -> int:
    """Print one object: kinds with their schemas."""
    models = importlib.import_module("cloudcoil.models.prometheus_operator.v1")
    schemas = {kind: closed(getattr(models, kind).model_json_schema(by_alias=True)) for kind in KINDS}
    json.dump(schemas, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
