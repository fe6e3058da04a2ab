"""`python -m tests.cluster.rig up|down`: the real node, for a person to try things on."""

from __future__ import annotations

import sys

from tests.cluster.rig.errors import RigError
from tests.cluster.rig.node import Node, progress, reserved

USAGE = "usage: python -m tests.cluster.rig up|down"


def main(words: list[str]) -> None:
    """Bring the node up, or take it down, with a line for each step."""
    if words not in (["up"], ["down"]):
        sys.exit(USAGE)
    say = progress()
    node = Node(say)
    try:
        with reserved(wait=False):
            if words == ["up"]:
                node.up()
                print(f"\nexport KUBECONFIG={node.kubeconfig}")
            else:
                node.down()
                say("down: processes, pods, addresses and rules are gone; images are kept")
    except RigError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
