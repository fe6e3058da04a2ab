"""A control plane on one machine, without a cluster: database, engine and processes of one command."""
