"""Do what was decided: the writes to the cluster and to Postgres."""
