"""Pure vocabulary and rules: no I/O, imports nothing else of Holdfast."""
