"""The engine: everything of Holdfast that needs Postgres and a clock, but no cluster."""
