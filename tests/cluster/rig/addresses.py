"""Addresses and devices of the cluster: none of them is reachable from outside this machine."""

from __future__ import annotations

NODE_NAME = "holdfast-node"
NODE_ADDRESS = "10.245.0.1"  # API server, kubelet and node ports
NODE_RANGE = "10.245.0.0/16"
NODE_BRIDGE = "hfnode0"  # has no ports: it only carries the node's address

POD_RANGE = "10.244.0.0/16"  # unreachable, except for:
REAL_POD_RANGE = "10.244.0.0/24"
SIMULATED_POD_RANGE = "10.244.128.0/17"  # nothing answers here: a Service may select such pods and leads nowhere
POD_BRIDGE = "hfpods0"

SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"

CLOSED_PROXY = "http://127.0.0.1:9"  # a pull fails at once, without asking a name server
