"""The operator: TaskRun resources on one side, runs in Postgres on the other, one pod per attempt between them."""
