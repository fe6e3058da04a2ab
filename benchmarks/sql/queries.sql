-- name: create_login
-- A login with the rights of a pod, that may also use the tables of the floor.
do $$
begin
    create role benchmark_runner login in role holdfast_runner;
    create schema floor authorization benchmark_runner;
    create table floor.steps (like holdfast.steps including all);
    alter table floor.steps owner to benchmark_runner;
    create table floor.runs (
        id uuid primary key, namespace text, name text unique, task text, queue text, state text, input text,
        created_at timestamptz
    );
end
$$;

-- name: trigger_run
-- Accept a run of an entrypoint, in a queue without limits worth the name.
select t.run_id from holdfast.trigger_run('default', 'benchmark', '{}', jsonb_build_object(
    'entrypoint', $1::text, 'disruption_limit', 1000000)) as t;

-- name: queue_parked_run
-- Let a parked run wait for admission again.
update holdfast.runs set state = 'Queued', due_at = null, wait_kind = null where id = $1 and state = 'Waiting';

-- name: admit_run
-- Give a queued run its next attempt, and the token of it.
with admitted as (
    update holdfast.runs set
        state = 'Starting', attempt = attempt + 1, started_at = coalesce(started_at, holdfast.now()),
        pending_deadline_at = holdfast.now() + make_interval(secs => pending_deadline_seconds)
    where id = $1 and state = 'Queued'
    returning id, attempt
)
insert into holdfast.attempts (run_id, number, admitted_at)
select id, attempt, holdfast.now() from admitted
returning number, holdfast.bootstrap_token(run_id, number) as token;

-- name: insert_step
-- The floor of a record: the same row, into a table of the same shape.
insert into floor.steps (
    run_id, attempt, key, sequence, position, kind, name, outcome, tries, elapsed_ms, input_digest, value, recorded_at
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now());

-- name: record_step
-- The call of the protocol alone.
select holdfast_v1.record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);

-- name: open_attempt
-- Begin an attempt without the runner.
select run from holdfast_v1.open($1, $2, $3, $4, '{}');

-- name: read_steps
-- The floor of a resume: the first rows of one run, in their order.
select key, sequence, position, kind, name, outcome, tries, input_digest, value
from floor.steps where run_id = $1 and sequence <= $2 order by sequence;

-- name: forget_run
-- Free the slot of a run that nobody executes.
delete from holdfast.runs where id = $1;

-- name: notify
-- The floor of a launch: a notification, committed.
select pg_notify('floor', '');

-- name: complete_token
-- What an approval does.
select holdfast.complete_token($1, '"approved"');

-- name: token_exists
-- A look at a token, as anybody may have.
select exists (select from holdfast.tokens where id = $1);

-- name: token_of
-- The token of an attempt that was launched.
select holdfast.bootstrap_token($1, $2);

-- name: late_seconds
-- How long after the end of its sleep a run was launched, by now.
select extract(epoch from clock_timestamp() - (s.value #>> '{}')::timestamptz)::float8
from (select value::json from holdfast.steps where run_id = $1 and kind = 'sleep') as s;

-- name: insert_runs
-- The floor of a batch: as many rows in one statement.
insert into floor.runs
select id, 'default', id::text, 'benchmark-child', 'default', 'Queued', '{"number": 1}', now()
from (select gen_random_uuid() as id from generate_series(1, $1::integer)) as made;

-- name: forget_children
-- What nobody launches is no load for what comes next.
delete from holdfast.runs where task = 'benchmark-child';

-- name: insert_waiting_runs
-- Runs that are parked for a year.
insert into holdfast.runs (
    id, namespace, name, task, queue, state, wait_kind, due_at, entrypoint, input, max_attempts, backoff_seconds,
    max_backoff_seconds, multiplier_percent, disruption_limit, pending_deadline_seconds, lease_seconds, attempt,
    created_at, started_at
)
select id, 'default', 'waiting-' || id, 'benchmark-waiting', 'default', 'Waiting', 'timer', now() + interval '1 year', 'a:b', '{}',
    3, 1, 60, 200, 20, 600, 30, 1, now(), now()
from (select gen_random_uuid() as id from generate_series(1, $1::integer)) as made;

-- name: forget_waiting_runs
-- What waits is no part of what comes next.
delete from holdfast.runs where task = 'benchmark-waiting';
