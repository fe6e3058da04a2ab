"""Benchmarks of the operator on a real API server, and of runs on a real node."""
