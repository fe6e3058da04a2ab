"""The guard: nothing of the cluster's leaves this machine. It goes up before any pod, and comes down last."""

from __future__ import annotations

import json
import subprocess

from tests.cluster.rig.addresses import (
    NODE_ADDRESS,
    NODE_BRIDGE,
    NODE_RANGE,
    POD_BRIDGE,
    POD_RANGE,
    REAL_POD_RANGE,
    SERVICE_RANGE,
)
from tests.cluster.rig.errors import RigError

TABLE = "holdfast_guard"

RULES = f"""
table inet {TABLE}
delete table inet {TABLE}
table inet {TABLE} {{
  chain forward {{
    type filter hook forward priority -10; policy accept;
    iifname "{POD_BRIDGE}" ip daddr {{ {REAL_POD_RANGE}, {NODE_ADDRESS}, {SERVICE_RANGE} }} accept
    iifname "{POD_BRIDGE}" meta nfproto ipv6 counter drop comment "link-local chatter"
    iifname "{POD_BRIDGE}" counter reject comment "pods to elsewhere"
    oifname "{POD_BRIDGE}" counter reject comment "elsewhere to pods"
    ip saddr {POD_RANGE} counter reject comment "pods' addresses from another device"
  }}
  chain output {{
    type filter hook output priority 10; policy accept;
    oifname {{ "lo", "{NODE_BRIDGE}", "{POD_BRIDGE}" }} accept
    ip daddr {{ {POD_RANGE}, {NODE_RANGE}, {SERVICE_RANGE} }} counter reject comment "cluster addresses to elsewhere"
  }}
}}
"""


def raise_guard() -> None:
    """Load the rules, all at once; loading them again replaces them."""
    _nft("-f", "-", stdin=RULES)


def lower_guard() -> None:
    """Remove the rules."""
    _nft("-f", "-", stdin=f"table inet {TABLE}\ndelete table inet {TABLE}\n")


def refused_packets() -> dict[str, int]:
    """How many packets each rule refused, by the rule's comment."""
    listed = json.loads(_nft("--json", "list", "table", "inet", TABLE))
    refused: dict[str, int] = {}
    for entry in listed["nftables"]:
        rule = entry.get("rule", {})
        for expression in rule.get("expr", []):
            if isinstance(expression.get("counter"), dict):
                refused[rule["comment"]] = expression["counter"]["packets"]
    return refused


def _nft(*words: str, stdin: str | None = None) -> str:
    ended = subprocess.run(["nft", *words], input=stdin, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise RigError(f"nft {' '.join(words)} failed: {ended.stderr.strip()}")
    return ended.stdout
