-- name: read_resource_runs
-- The runs that are meant by some resources: one uid, namespace and name, id (or null) each. A resource has up to three
-- rows: the run that was accepted for it, the one that has its name, the one of its namespace that its status names.
select distinct on (n.ordinality, r.id)
       n.ordinality::integer as place, r.id, r.namespace, r.name, r.task, r.queue, r.state, r.resource_uid, r.attempt,
       r.failures, r.disruptions, r.max_attempts, r.disruption_limit, r.reason, r.message, r.created_at, r.started_at, r.finished_at,
       case when r.state in ('Backoff', 'Delayed', 'Waiting') then r.due_at end as due_at,
       -- a run that is closing ends by itself
       r.cancel_requested_at is not null or r.closing is not null as is_cancel_requested, r.suspend_requested_at is not null as is_suspend_requested,
       r.template ->> 'command' is not null as is_command, coalesce(r.template ->> 'versionPolicy', 'Pinned') as version_policy,
       case when octet_length(r.result) <= 4096 then r.result end as result,
       coalesce(octet_length(r.result), 0) as result_bytes,
       coalesce(a.attempts, '[]'::jsonb) as attempts,
       s.name as step_name, s.recorded_at as step_recorded_at, coalesce(s.recorded_steps, 0)::integer as recorded_steps,
       holdfast.now() as now
from unnest($1::text[], $2::text[], $3::text[], $4::uuid[]) with ordinality as n (uid, namespace, name, id, ordinality)
cross join lateral (
    select x.* from holdfast.runs x where x.resource_uid = n.uid
    union all
    select x.* from holdfast.runs x
    where x.namespace = n.namespace and x.name = n.name and x.resource_uid is distinct from n.uid
    union all
    select x.* from holdfast.runs x
    where x.id = n.id and x.namespace = n.namespace and x.resource_uid is distinct from n.uid
) r
left join lateral (
    select jsonb_agg(jsonb_build_object(
        'number', t.number, 'admitted_at', t.admitted_at, 'launched_at', t.launched_at, 'opened_at', t.opened_at,
        'ended_at', t.ended_at, 'replayed_steps', t.replayed_steps, 'outcome', t.outcome, 'failure', t.class,
        'reason', t.reason, 'message', left(t.message, 1000), 'exit_code', t.exit_code) order by t.number) as attempts
    from (
        select * from holdfast.attempts u where u.run_id = r.id order by u.number desc limit 10) t
) a on true
left join lateral (
    select x.name, x.recorded_at, count(*) over () as recorded_steps from holdfast.steps x
    where x.run_id = r.id and x.outcome = 'Succeeded' order by x.sequence desc limit 1
) s on true

-- name: run_namespaces
-- In which namespaces these runs are.
select id, namespace from holdfast.runs where id = any($1::uuid[])

-- name: find_accepted_run
-- The run that was accepted for the resource with this uid.
select id from holdfast.runs where resource_uid = $1

-- name: active_resource_runs
-- The unfinished runs that are a TaskRun in one of these namespaces (null: in any), for the sweep.
select r.id, r.namespace, r.name, r.resource_uid
from (select distinct q.namespace from holdfast.queues q where $1::text[] is null or q.namespace = any($1)) n
cross join unnest(array['Delayed', 'Queued', 'Starting', 'Running', 'Waiting', 'Backoff', 'Suspended', 'Canceling'])
    as active (state)
cross join lateral (
    select x.id, x.namespace, x.name, x.resource_uid from holdfast.runs x
    where x.namespace = n.namespace and x.state = active.state and x.resource_uid is not null
    order by x.id desc) r

-- name: release_name
-- A run gives its name to a resource that was made again, and ends.
select holdfast.release_name($1)

-- name: bind_resource
-- The TaskRun that was made for a run from code; the uid that the run has now.
select holdfast.bind_resource($1, $2)

-- name: open_commands
-- The containers of these attempts run, and are commands that cannot say so themselves.
select n.run_id, holdfast.open_command(n.run_id, n.attempt) as state
from (select * from unnest($1::uuid[], $2::integer[]) as u (run_id, attempt) order by u.run_id) n

-- name: finish_commands
-- The commands of these attempts ended with exit code 0.
select n.run_id, holdfast.finish_command(n.run_id, n.attempt) as state
from (select * from unnest($1::uuid[], $2::integer[]) as u (run_id, attempt) order by u.run_id) n

-- name: read_run_order
-- What a run was asked for, to make a TaskRun of it.
select id, namespace, name, task, queue, entrypoint, input, template, priority, concurrency_key, max_attempts,
       backoff_seconds, max_backoff_seconds, multiplier_percent, disruption_limit, run_deadline_seconds,
       attempt_deadline_seconds, pending_deadline_seconds, resource_uid, finished_at is not null as is_final,
       exists (select from holdfast.tasks t where t.namespace = r.namespace and t.name = r.task) as is_registered
from holdfast.runs r
where id = $1

-- name: delete_task
-- Accept no more runs of a task.
delete from holdfast.tasks where namespace = $1 and name = $2

-- name: read_queue
-- One queue with what waits in it and what runs.
select (select count(*) from holdfast.runs r
        where r.namespace = $1 and r.queue = $2 and r.state = 'Queued')::integer as depth,
       (select count(*) from holdfast.runs r
        where r.namespace = $1 and r.queue = $2 and r.state in ('Starting', 'Running', 'Canceling'))::integer as running,
       (select min(r.queued_at) from holdfast.runs r
        where r.namespace = $1 and r.queue = $2 and r.state = 'Queued') as oldest_queued_at

-- name: queue_gauges
-- What waits in each queue, since when, and what holds a slot.
select q.namespace, q.name as queue,
       (select count(*) from holdfast.runs r
        where r.namespace = q.namespace and r.queue = q.name and r.state = 'Queued')::integer as depth,
       (select count(*) from holdfast.runs r
        where r.namespace = q.namespace and r.queue = q.name
          and r.state in ('Starting', 'Running', 'Canceling'))::integer as running,
       coalesce((select extract(epoch from holdfast.now() - min(r.queued_at)) from holdfast.runs r
        where r.namespace = q.namespace and r.queue = q.name and r.state = 'Queued'), 0)::double precision as oldest_seconds
from holdfast.queues q

-- name: run_gauges
-- How many runs are in each state that is not final.
select n.namespace, active.state,
       (select count(*) from holdfast.runs r
        where r.namespace = n.namespace and r.state = active.state)::integer as runs
from (select distinct q.namespace from holdfast.queues q) n
cross join unnest(array['Delayed', 'Queued', 'Starting', 'Running', 'Waiting', 'Backoff', 'Suspended', 'Canceling'])
    as active (state)

-- name: dead_letter_gauges
-- How many runs wait for a decision.
select n.namespace,
       (select count(*) from holdfast.runs r
        where r.namespace = n.namespace and r.state in ('Failed', 'TimedOut') and r.discarded_at is null)::integer as runs
from (select distinct q.namespace from holdfast.queues q) n
