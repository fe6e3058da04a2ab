"""Pure decisions: what is known goes in, a decision with its reason comes out. Nothing here reads or writes."""
