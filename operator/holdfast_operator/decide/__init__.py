"""Pure decisions of the operator: a snapshot goes in, a decision with its reason comes out."""
