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
