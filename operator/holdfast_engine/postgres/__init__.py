"""Holdfast's side of Postgres: an embedded server, migrations, and the named queries."""
