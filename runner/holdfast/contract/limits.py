"""How large things may be. Each limit protects something, and its error names the limit."""

from __future__ import annotations

from typing import Final

INPUT_LIMIT_BYTES: Final = 1024 * 1024
"""A run's input as UTF-8 JSON. A TaskRun carries it, and etcd refuses objects above 1.5 MiB."""

RESULT_LIMIT_BYTES: Final = 1024 * 1024
"""One recorded value (of a step or of a run) as UTF-8 JSON. Every later attempt may read it again, and a
row of this size still commits within a heartbeat on a slow disk."""

STATUS_RESULT_LIMIT_BYTES: Final = 4096
"""A run's result as shown in `TaskRun.status`. The whole list of runs passes through the API server's watch
cache."""

EAGER_VALUE_BYTES: Final = 64 * 1024
"""A checkpoint up to this size comes with the answer to `open`; a larger one is fetched when its step is
reached, so that resuming costs one round trip without loading values that the program may never ask for."""

EAGER_TOTAL_BYTES: Final = 16 * 1024 * 1024
"""All checkpoints that come with `open` together; the rest is fetched. Bounds the memory of a resuming
attempt."""

STEP_NAME_LIMIT: Final = 200
"""Characters of a step's name or explicit key. Both are part of an index, and Postgres bounds an index row
to a third of a page (2700 bytes)."""

STEP_KEY_LIMIT: Final = 1000
"""Characters of a step's key, which has the names of all steps that it is inside of."""

TASK_NAME_LIMIT: Final = 200
"""Characters of a task's name, for the same reason."""

STEPS_PER_RUN_LIMIT: Final = 100_000
"""Recorded steps of one run. History is read on each resume; a run that needs more should start child
runs."""

TOKENS_PER_RUN_LIMIT: Final = 1_000
"""Tokens that one run may make: each waits for somebody, and a run that needs more should start child runs."""

SIGNALS_PER_RUN_LIMIT: Final = 1_000
"""Signals that wait until a run takes them: a sender without an end must not fill the database."""

SUBSCRIPTIONS_PER_RUN_LIMIT: Final = 1_000
"""Signals and events that one run may wait for at the same time."""

MESSAGE_NAME_LIMIT: Final = 200
"""Characters of the name of a signal or an event, which is part of an index."""

EVENT_KEY_LIMIT: Final = 500
"""Characters of an event's key, which is part of an index, too."""

EVENT_MATCH_LIMIT_BYTES: Final = 4096
"""What an event must contain, as UTF-8 JSON: it is compared with each event of that name."""

EVENT_RETENTION_SECONDS: Final = 7 * 86_400
"""How long a published event can be found by a wait that looks back. Then its key is free again."""

BATCH_LIMIT: Final = 1_000
"""Runs that one call triggers, in one transaction."""

CHILDREN_PER_RUN_LIMIT: Final = 10_000
"""Runs that one run may trigger: a loop without an end must not fill the database."""

CHILD_DEPTH_LIMIT: Final = 20
"""How far a run may be from one that no task has triggered: recursion without an end must not, either."""

TOKEN_TAGS_LIMIT: Final = 20
"""Tags of one token: they are for people who look through a list."""

TOKEN_KEY_LIMIT: Final = 500
"""Characters of a token's idempotency key, which is part of an index."""

LOG_LINE_LIMIT_BYTES: Final = 16 * 1024
"""One captured log line; the rest of it is cut. The container runtime splits lines at the same length."""

LOG_LINES_PER_SECOND: Final = 200
"""Captured lines per second and attempt, on average; what is above is dropped and counted. Output floods
must cost the run its log, never the database its disk."""

LOG_LINES_BURST: Final = 2_000
"""Lines above the average that are still kept, so that a traceback or a banner survives."""

ERROR_LIMIT_BYTES: Final = 64 * 1024
"""A recorded error (type, message, traceback) as UTF-8 JSON; the middle of a longer traceback is cut."""

MANIFEST_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""One file of manifests as UTF-8. The API server takes 3 MiB per request."""

MANIFEST_NODES_LIMIT: Final = 200_000
"""Values in one file of manifests after its aliases are expanded: a few lines of nested aliases can mean
billions."""

MANIFEST_DEPTH_LIMIT: Final = 100
"""Levels of nesting in a manifest."""
