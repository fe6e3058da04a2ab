"""Finds in the source of tasks what a replay would not see again: clocks, randomness and I/O outside of steps."""
