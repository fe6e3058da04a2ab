-- name: trigger_run
-- Accept a run, or find the one that the idempotency key made before.
select run_id, run_name, created from holdfast.trigger_run($1, $2, $3, $4)

-- name: read_runs
-- What a list shows of runs, newest first.
select id, namespace, name, task, queue, state, entrypoint, launcher, tags, priority, concurrency_key, idempotency_key,
       attempt, failures, disruptions, max_attempts, reason, message, replay_of,
       created_at, started_at, finished_at, wake_at, cancel_requested_at, suspend_requested_at,
       case when finished_at is null then closing ->> 'state' end as closing
from holdfast.runs
where id = any($1::uuid[])
order by id desc

-- name: read_run_payload
-- The parts of a run that can be large.
select r.input, r.result, r.error, r.template,
       (select count(*) from holdfast.steps s where s.run_id = r.id and s.outcome = 'Succeeded')::integer as recorded_steps,
       (select sum(a.replayed_steps) from holdfast.attempts a where a.run_id = r.id)::integer as replayed_steps,
       array(
           select coalesce('token ' || t.id, 'run ' || child.name, s.kind || ' ' || s.name)
           from holdfast.waits w
           left join holdfast.tokens t on t.id = w.subject
           left join holdfast.runs child on child.id = w.subject
           left join holdfast.subscriptions s on s.id = w.subject
           where w.run_id = r.id and r.state = 'Waiting'
             and t.outcome is null and s.outcome is null and child.finished_at is null
           order by w.group_number, 1
           limit 20
       ) as waits_for
from holdfast.runs r
where r.id = $1

-- name: read_run_input
-- What a run was triggered with.
select input from holdfast.runs where id = $1

-- name: list_runs
-- Ids of a namespace's runs, newest first, of one task or queue if given.
select id from holdfast.runs
where namespace = $1 and id < coalesce($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
  and ($3::text is null or task = $3) and ($4::text is null or queue = $4)
order by id desc
limit $5

-- name: list_runs_in_state
-- The same for one state, along its own index.
select id from holdfast.runs
where namespace = $1 and state = $6 and id < coalesce($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
  and ($3::text is null or task = $3) and ($4::text is null or queue = $4)
order by id desc
limit $5

-- name: list_dead_letters
-- Ids of runs whose retries are exhausted and about which nobody has decided, latest first.
select id from holdfast.runs
where namespace = $1 and state in ('Failed', 'TimedOut') and discarded_at is null
order by finished_at desc
limit $2

-- name: find_run_by_name
-- The run of that name.
select id from holdfast.runs where namespace = $1 and name = $2

-- name: find_runs_by_id_prefix
-- Runs whose id lies in a range; two are enough to know that a prefix is not unique.
select id from holdfast.runs where id between $2 and $3 and namespace = $1 order by id limit 2

-- name: list_tokens
-- Tokens of a namespace that nobody has completed, newest first; or all.
select t.id, t.run_id, r.name as run_name, t.tags, t.idempotency_key, t.created_at, t.expires_at, t.resolved_at, t.outcome,
       t.value
from holdfast.tokens t
left join holdfast.runs r on r.id = t.run_id
where t.namespace = $1 and ($2 or t.resolved_at is null)
order by t.created_at desc, t.id
limit $3

-- name: read_token
-- One token.
select t.id, t.run_id, r.name as run_name, t.tags, t.idempotency_key, t.created_at, t.expires_at, t.resolved_at, t.outcome,
       t.value
from holdfast.tokens t
left join holdfast.runs r on r.id = t.run_id
where t.namespace = $1 and t.id = $2

-- name: complete_token
-- Let whoever waits for a token go on with this value.
select holdfast.complete_token(id, $3) from holdfast.tokens where namespace = $1 and id = $2

-- name: send_signal
-- Send a message to a run.
select holdfast.send_signal(r.id, $3, $4) as id from holdfast.runs r where r.namespace = $1 and r.id = $2

-- name: publish_event
-- Publish a fact to the runs of a namespace.
select holdfast.publish_event($1, $2, $3, $4) as id

-- name: list_events
-- Events of a namespace, newest first, of one name if given.
select e.id, e.name, e.key, e.value, e.published_at
from holdfast.events e
where e.namespace = $1 and ($2::text is null or e.name = $2)
order by e.number desc
limit $3

-- name: read_event
-- One event.
select e.id, e.name, e.key, e.value, e.published_at
from holdfast.events e
where e.namespace = $1 and e.id = $2

-- name: list_steps
-- The recorded operations of a run, in the order of their records.
select key, sequence, attempt, tries, recorded_at, elapsed_ms, kind, outcome, name, value
from holdfast.steps
where run_id = $1 and sequence > $2
order by sequence
limit $3

-- name: read_recorded_run
-- A run as an attempt would find it now, and how it ended.
select id as run_id, name, namespace, task, queue, entrypoint, attempt, state, input, result, error, created_at,
       holdfast.now() as read_at, python_version
from holdfast.runs
where id = $1

-- name: read_history
-- The recorded operations of a run with all values, in the order of their records.
select key, sequence, position, kind, name, outcome, tries, elapsed_ms, input_digest, value
from holdfast.steps
where run_id = $1 and sequence > $2
order by sequence
limit $3

-- name: count_steps
-- How many steps of a run have succeeded.
select count(*) from holdfast.steps where run_id = $1 and outcome = 'Succeeded'

-- name: list_attempts
-- The attempts of a run, first to last.
select number, admitted_at, launched_at, opened_at, ended_at, replayed_steps, runner, outcome, class, reason, message, exit_code
from holdfast.attempts
where run_id = $1
order by number

-- name: list_log_lines
-- What a run printed after a given line, in order.
select attempt, line_number, logged_at, stream, step_key, line
from holdfast.logs
where run_id = $1 and (attempt, line_number) > ($2, $3)
order by attempt, line_number
limit $4

-- name: cancel_run
-- Ask a run to end; its process has so many seconds to clean up.
select holdfast.cancel_run($1, $2)

-- name: suspend_run
-- Let a run rest until it is unsuspended.
select holdfast.suspend_run($1)

-- name: unsuspend_run
-- Let a suspended run go on.
select holdfast.unsuspend_run($1)

-- name: resume_run
-- Let a dead letter go on from its failed step.
select holdfast.resume_run($1)

-- name: replay_run
-- A new run with the program and input of an older one.
select run_id, run_name from holdfast.replay_run($1)

-- name: fork_run
-- A new run that goes on before a step of an older one.
select run_id, run_name, kept_steps from holdfast.fork_run($1, $2)

-- name: find_steps
-- Keys of a run's steps with this key or name, in the order of their records.
select key from holdfast.steps where run_id = $1 and (key = $2 or name = $2) order by key <> $2, sequence

-- name: discard_run
-- Take a run out of the dead letters.
select holdfast.discard_run($1)

-- name: set_run_ttl
-- How long a finished run is kept, in seconds.
update holdfast.runs set ttl_seconds = $2 where id = $1

-- name: remember_applied_spec
-- Keep the manifest's spec, to compare it with when the same name is applied again.
update holdfast.runs set template = template || jsonb_build_object('applied', $2::jsonb) where id = $1

-- name: list_task_names
-- Names of registered tasks.
select name from holdfast.tasks where namespace = $1 order by name

-- name: find_task
-- What a trigger needs to know of a task.
select name, entrypoint, queue, input_schema, spec from holdfast.tasks where namespace = $1 and name = $2

-- name: put_task
-- Register a task, or change it; no row when nothing is different.
insert into holdfast.tasks as t (namespace, name, entrypoint, queue, input_schema, spec, updated_at)
values ($1, $2, $3, $4, $5, $6, holdfast.now())
on conflict (namespace, name) do update set
    entrypoint = excluded.entrypoint, queue = excluded.queue, input_schema = excluded.input_schema,
    spec = excluded.spec, updated_at = excluded.updated_at
where (t.entrypoint, t.queue, t.input_schema::text, t.spec)
    is distinct from (excluded.entrypoint, excluded.queue, excluded.input_schema::text, excluded.spec)
returning (xmax = 0) as created

-- name: list_queues
-- The queues of a namespace with what waits in them and what runs.
select q.name, q.concurrency, q.concurrency_per_key, q.starts_per_minute, q.paused,
       (select count(*) from holdfast.runs r
        where r.namespace = q.namespace and r.queue = q.name and r.state = 'Queued')::integer as depth,
       (select count(*) from holdfast.runs r
        where r.namespace = q.namespace and r.queue = q.name
          and r.state in ('Starting', 'Running', 'Canceling'))::integer as running,
       (select min(r.queued_at) from holdfast.runs r
        where r.namespace = q.namespace and r.queue = q.name and r.state = 'Queued') as oldest_queued_at
from holdfast.queues q
where q.namespace = $1
order by q.name

-- name: put_queue
-- Define a queue, or change it; no row when nothing is different.
insert into holdfast.queues as q (
    namespace, name, concurrency, concurrency_per_key, starts_per_minute, paused, spec, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, holdfast.now())
on conflict (namespace, name) do update set
    concurrency = excluded.concurrency, concurrency_per_key = excluded.concurrency_per_key,
    starts_per_minute = excluded.starts_per_minute, paused = excluded.paused, spec = excluded.spec,
    updated_at = excluded.updated_at
where (q.concurrency, q.concurrency_per_key, q.starts_per_minute, q.paused, q.spec)
    is distinct from (excluded.concurrency, excluded.concurrency_per_key, excluded.starts_per_minute,
                      excluded.paused, excluded.spec)
returning (xmax = 0) as created, pg_notify('holdfast', 'Queued') as announced

-- name: pause_queue
-- Admit no more runs of a queue (true), or admit them again (false), which is news for admission.
update holdfast.queues set paused = $3, updated_at = holdfast.now()
where namespace = $1 and name = $2
returning pg_notify('holdfast', 'Queued') as announced
