-- Everything that the first release had: the files of schema/ as they were then.

-- Two schemas: `holdfast` belongs to the control plane, `holdfast_v1` is the protocol of the pods.
-- The role holdfast_runner may execute the functions of holdfast_v1 and nothing else; logins of pods are members of it.
create schema if not exists holdfast;
create schema holdfast_v1;

do $$
begin
    -- roles belong to the whole server: another database may have made it
    if not exists (select from pg_roles where rolname = 'holdfast_runner') then
        create role holdfast_runner nologin;
    end if;
exception when duplicate_object or unique_violation then
    null;  -- at this very moment
end
$$;

-- One row: the key from which bootstrap tokens of attempts are derived, so that a control plane that died between
-- "admitted" and "launched" derives the same token again.
create table holdfast.secrets (
    only_row boolean primary key default true check (only_row),
    bootstrap_key bytea not null
        default decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')
);

insert into holdfast.secrets default values;

-- A registered task: what a trigger needs to know of it. `spec` holds the fields of a Task resource.
create table holdfast.tasks (
    namespace text not null,
    name text not null check (length(name) between 1 and 200),
    entrypoint text,
    queue text not null default 'default',
    input_schema json,
    spec jsonb not null default '{}',
    updated_at timestamptz not null default now(),
    primary key (namespace, name)
);

-- Where runs wait for admission. Limits are null where there is none.
create table holdfast.queues (
    namespace text not null,
    name text not null check (length(name) between 1 and 63),
    concurrency integer check (concurrency >= 0),
    concurrency_per_key integer check (concurrency_per_key >= 1),
    starts_per_minute integer check (starts_per_minute >= 1),
    paused boolean not null default false,
    -- the earliest time at which the rate limit allows the next start (generic cell rate algorithm)
    next_start_at timestamptz not null default '-infinity',
    -- the concurrency key that was served last, when keys take turns
    served_key text not null default '',
    spec jsonb not null default '{}',
    updated_at timestamptz not null default now(),
    primary key (namespace, name)
);

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

-- One process (a pod, or a local process) launched for a run, numbered from 1.
-- No foreign key to runs: rows are only written by functions that hold the run's row, and removed with it.
create table holdfast.attempts (
    run_id uuid not null,
    number integer not null check (number >= 1),
    admitted_at timestamptz not null,
    launched_at timestamptz,
    opened_at timestamptz,
    ended_at timestamptz,
    replayed_steps integer,
    -- kept after the end, so that a runner whose last call was answered into the void can send it again
    session_hash bytea,
    runner jsonb,
    launch jsonb,
    outcome text check (outcome in ('Succeeded', 'Failed', 'Parked', 'Suspended', 'Canceled', 'Lost')),
    class text check (class in ('App', 'NonRetryable', 'OOM', 'Disruption', 'Start', 'Deadline')),
    reason text,
    message text,
    exit_code integer,
    primary key (run_id, number),
    constraint attempts_ended_has_outcome check ((ended_at is null) = (outcome is null))
);

-- The recorded operations of a run. A row with outcome 'Succeeded' never changes again.
-- No foreign key to runs: it would lock the run's row at every record; the functions that write here check the fence.
create table holdfast.steps (
    run_id uuid not null,
    key text collate "C" not null check (length(key) <= 1000),
    sequence integer not null check (sequence >= 1),
    position integer not null check (position >= 0),
    attempt integer not null,
    tries integer not null check (tries >= 0),
    recorded_at timestamptz not null,
    elapsed_ms integer not null,
    kind text not null,
    outcome text not null check (outcome in ('Succeeded', 'Failed', 'Retrying', 'Canceled')),
    name text not null check (length(name) <= 200),
    input_digest bytea,
    value text,
    primary key (run_id, key)
);

-- What an attempt printed or logged, in order; `line_number` counts within the attempt.
create table holdfast.logs (
    run_id uuid not null,
    attempt integer not null,
    line_number integer not null,
    logged_at timestamptz not null,
    stream text not null check (stream in ('stdout', 'stderr', 'log')),
    step_key text,
    line text not null,
    primary key (run_id, attempt, line_number)
);
