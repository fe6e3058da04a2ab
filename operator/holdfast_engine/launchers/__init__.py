"""Adapters of the launcher port that need no cluster."""
