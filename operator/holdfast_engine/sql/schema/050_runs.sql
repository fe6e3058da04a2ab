-- One execution of a task with an input. JSON that belongs to authors (input, result, error) is kept as text:
-- Postgres' own types would refuse a NUL character, and nothing in here looks inside.
create table holdfast.runs (
    id uuid primary key,
    namespace text not null,
    name text not null check (length(name) between 1 and 253),
    task text not null check (length(task) between 1 and 200),
    queue text not null,
    state text not null,

    -- what was asked for
    entrypoint text,
    input text not null,
    template jsonb not null default '{}',
    -- the engine that alone may launch its attempts, because only there are its code and environment; null: any may
    launcher text check (length(launcher) between 1 and 1000),
    tags text[] not null default '{}',
    priority integer not null default 0,
    concurrency_key text check (length(concurrency_key) between 1 and 200),
    idempotency_key text check (length(idempotency_key) between 1 and 500),
    max_attempts integer not null check (max_attempts >= 1),
    backoff_seconds double precision not null check (backoff_seconds between 0 and 2147483647),
    max_backoff_seconds double precision not null check (max_backoff_seconds between 0 and 2147483647),
    multiplier_percent integer not null check (multiplier_percent between 100 and 10000),
    disruption_limit integer not null check (disruption_limit >= 0),
    run_deadline_seconds integer check (run_deadline_seconds >= 1),
    attempt_deadline_seconds integer check (attempt_deadline_seconds >= 1),
    pending_deadline_seconds integer not null check (pending_deadline_seconds >= 1),
    lease_seconds integer not null check (lease_seconds >= 1),
    ttl_seconds integer check (ttl_seconds >= 0),
    replay_of uuid,
    -- the TaskRun in the cluster that is this run, by its uid: its name may come again, its uid does not
    resource_uid text check (length(resource_uid) between 1 and 128),

    -- where it stands
    attempt integer not null default 0,
    failures integer not null default 0,
    failures_since_progress integer not null default 0,
    disruptions integer not null default 0,
    session_hash bytea,
    python_version text,
    wait_kind text,
    suspended_from text,
    cancel_requested_at timestamptz,
    suspend_requested_at timestamptz,

    -- times: each is set only while it can still happen, so the earliest of them is when the engine must look again
    created_at timestamptz not null,
    queued_at timestamptz,
    started_at timestamptz,
    suspended_at timestamptz,
    finished_at timestamptz,
    discarded_at timestamptz,
    due_at timestamptz,
    lease_expires_at timestamptz,
    attempt_deadline_at timestamptz,
    pending_deadline_at timestamptz,
    run_deadline_at timestamptz,
    expire_at timestamptz,
    wake_at timestamptz generated always as (
        case
            when state in ('Succeeded', 'Failed', 'TimedOut', 'Canceled', 'Expired', 'Suspended') then null
            when state = 'Delayed' then least(due_at, expire_at)
            when state = 'Queued' then least(expire_at, run_deadline_at)
            when state in ('Waiting', 'Backoff') then least(due_at, run_deadline_at)
            when state = 'Starting' then least(pending_deadline_at, attempt_deadline_at, run_deadline_at)
            else least(lease_expires_at, attempt_deadline_at, run_deadline_at)
        end
    ) stored,

    -- how it ended, or how its last attempt did
    result text,
    error text,
    reason text,
    message text,

    -- which of on_failure, on_cancel and on_complete its task has
    hooks text[],
    -- how it will end (state, reason, message), while what is left to do before that is done, and after it was done;
    -- with `undone`, the steps that could not be compensated
    closing jsonb,

    constraint runs_state_known check (state in (
        'Delayed', 'Queued', 'Starting', 'Running', 'Waiting', 'Backoff', 'Suspended', 'Canceling',
        'Succeeded', 'Failed', 'TimedOut', 'Canceled', 'Expired')),
    constraint runs_final_has_time check (
        (state in ('Succeeded', 'Failed', 'TimedOut', 'Canceled', 'Expired')) = (finished_at is not null)),
    constraint runs_running_is_open check (state <> 'Running' or (session_hash is not null and lease_expires_at is not null)),
    constraint runs_parked_has_no_session check (
        state in ('Starting', 'Running', 'Canceling') or (session_hash is null and lease_expires_at is null)),
    constraint runs_timed_state_is_due check (state not in ('Delayed', 'Backoff') or due_at is not null),
    constraint runs_queued_has_time check (state <> 'Queued' or queued_at is not null),
    constraint runs_suspended_knows_origin check ((state = 'Suspended') = (suspended_from is not null)),
    constraint runs_result_only_of_success check (result is null or state = 'Succeeded')
);

create unique index runs_name on holdfast.runs (namespace, name);
create unique index runs_resource_uid on holdfast.runs (resource_uid) where resource_uid is not null;
create unique index runs_idempotency_key on holdfast.runs (namespace, task, idempotency_key)
    where idempotency_key is not null;
-- Admission reads these two in their order, for one launcher and one key at a time; '' stands for any and for none.
create index runs_queued on holdfast.runs
    (namespace, queue, coalesce(launcher, ''), priority desc, queued_at, id) where state = 'Queued';
create index runs_queued_by_key on holdfast.runs
    (namespace, queue, coalesce(launcher, ''), coalesce(concurrency_key, ''), priority desc, queued_at, id) where state = 'Queued';
create index runs_holding_slot on holdfast.runs (namespace, queue, concurrency_key)
    where state in ('Starting', 'Running', 'Canceling');
create index runs_wake on holdfast.runs (wake_at) where wake_at is not null;
create index runs_list on holdfast.runs (namespace, id desc);
create index runs_list_by_state on holdfast.runs (namespace, state, id desc);
create index runs_by_launcher on holdfast.runs (launcher) where launcher is not null and finished_at is null;
-- What retention deletes: runs with a time to live of their own, and the others but for open dead letters.
create index runs_with_ttl on holdfast.runs (ttl_seconds, finished_at) where finished_at is not null and ttl_seconds is not null;
create index runs_without_ttl on holdfast.runs (finished_at)
    where finished_at is not null and ttl_seconds is null and (state not in ('Failed', 'TimedOut') or discarded_at is not null);
create index runs_dead_letters on holdfast.runs (namespace, finished_at desc)
    where state in ('Failed', 'TimedOut') and discarded_at is null;
