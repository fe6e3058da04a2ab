-- name: admit_runs
-- Give the free slots of all queues to queued runs that name one of these launchers.
select run_id, attempt, namespace, name, task, queue, entrypoint, template, token from holdfast.admit_runs($1, $2, $3)

-- name: next_start
-- Seconds until a queue that waits for its rate limit alone may start a run of these launchers; at least 0.05.
select greatest(extract(epoch from min(q.next_start_at) - holdfast.now()), 0.05)::double precision
from holdfast.queues q
where q.starts_per_minute is not null and not q.paused and q.next_start_at > holdfast.now()
  and exists (
    select from unnest($1::text[]) as allowed (launcher)
    cross join lateral (
        select from holdfast.runs r
        where r.namespace = q.namespace and r.queue = q.name and r.state = 'Queued'
          and coalesce(r.launcher, '') = allowed.launcher
        order by r.priority desc, r.queued_at, r.id limit 1) queued)
having min(q.next_start_at) is not null

-- name: mark_launched
-- The launcher has taken over these attempts.
update holdfast.attempts a set launched_at = holdfast.now()
from unnest($1::uuid[], $2::integer[]) as n (run_id, number)
where a.run_id = n.run_id and a.number = n.number and a.launched_at is null

-- name: unlaunched_runs
-- Runs that this launcher was given and has not reported as launched: its engine may have died in between.
select r.id as run_id, r.attempt, r.namespace, r.name, r.task, r.queue, r.entrypoint, r.template,
       holdfast.bootstrap_token(r.id, r.attempt) as token
from holdfast.runs r
join holdfast.attempts a on a.run_id = r.id and a.number = r.attempt
where r.state = 'Starting' and a.launched_at is null and a.launch ->> 'launcher' = $1

-- name: launched_attempts
-- Attempts under way whose process this launcher should have.
select r.id as run_id, r.attempt
from holdfast.runs r
join holdfast.attempts a on a.run_id = r.id and a.number = r.attempt
where r.state in ('Starting', 'Running', 'Canceling') and a.launched_at is not null and a.launch ->> 'launcher' = $1

-- name: abandoned_attempts
-- Attempts that another launcher was given so many seconds ago and has not launched: its engine is gone.
select r.id as run_id, r.attempt
from holdfast.runs r
join holdfast.attempts a on a.run_id = r.id and a.number = r.attempt
where r.state = 'Starting' and a.launched_at is null and a.launch ->> 'launcher' is distinct from $1
  and a.admitted_at < holdfast.now() - make_interval(secs => $2)

-- name: check_attempts
-- What holds for attempts whose process lives; null where the run is deleted.
select n.run_id, n.attempt, r.state, r.attempt as current_attempt,
       a.outcome, a.class as failure,
       extract(epoch from holdfast.now() - a.ended_at)::double precision as ended_for_seconds,
       extract(epoch from r.attempt_deadline_at - holdfast.now())::double precision as remaining_seconds
from unnest($1::uuid[], $2::integer[]) as n (run_id, attempt)
left join holdfast.runs r on r.id = n.run_id
left join holdfast.attempts a on a.run_id = n.run_id and a.number = n.attempt

-- name: due_runs
-- Runs at which the engine must look, the longest waiting first.
select id as run_id, state, attempt, due_at, expire_at, lease_expires_at, attempt_deadline_at, pending_deadline_at,
       run_deadline_at, cancel_requested_at, holdfast.now() as now
from holdfast.runs
where wake_at <= holdfast.now()
order by wake_at
limit $1

-- name: next_wake
-- Seconds until the next run is due; negative if it is already.
select extract(epoch from min(wake_at) - holdfast.now())::double precision
from holdfast.runs
where wake_at is not null
having min(wake_at) is not null

-- name: renew_leases
-- Leases that ran out while nobody could be heard of begin anew.
with silent as (
    select id from holdfast.runs
    where wake_at <= holdfast.now() and lease_expires_at <= holdfast.now()
    order by id
    for update skip locked
), renewed as (
    update holdfast.runs r set lease_expires_at = holdfast.now() + make_interval(secs => r.lease_seconds)
    from silent where r.id = silent.id
    returning 1
)
select count(*)::integer from renewed

-- name: queue_due_runs
-- Delayed, retrying and waiting runs whose time has come go to their queues.
select holdfast.queue_due_runs($1)

-- name: expire_runs
-- Runs that were not started in time end as Expired.
select holdfast.expire_runs($1)

-- name: time_out_runs
-- Runs whose deadline has passed end as TimedOut.
select n.run_id, holdfast.time_out_run(n.run_id) as state
from (select u.run_id from unnest($1::uuid[]) as u (run_id) order by u.run_id) n

-- name: end_attempts
-- Attempts that are over without success, if they had not ended already; some only if they were never opened.
select n.run_id, holdfast.end_attempt(n.run_id, n.attempt, n.class, n.reason, n.message, p_exit_code => n.exit_code) as state
from (
    select u.* from unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::boolean[])
        as u (run_id, attempt, class, reason, message, exit_code, only_unopened)
    where not u.only_unopened
       or exists (select from holdfast.runs r where r.id = u.run_id and r.attempt = u.attempt and r.state = 'Starting')
    order by u.run_id
) n

-- name: delete_finished_runs
-- Delete runs that finished longer ago than their time to live, or than so many seconds if they have none.
-- Without a time to live of its own, a dead letter stays until it is discarded. No seconds: the others stay too.
-- A run stays for as long as another may ask for its result, or waits for one of its tokens; dead letters may.
with recursive lifetimes as (
    (select r.ttl_seconds from holdfast.runs r
     where r.finished_at is not null and r.ttl_seconds is not null order by r.ttl_seconds limit 1)
    union all
    select (select r.ttl_seconds from holdfast.runs r
            where r.finished_at is not null and r.ttl_seconds is not null and r.ttl_seconds > l.ttl_seconds
            order by r.ttl_seconds limit 1)
    from lifetimes l where l.ttl_seconds is not null
), outlived as (
    select old.id
    from lifetimes l
    cross join lateral (
        select r.id from holdfast.runs r
        where r.ttl_seconds = l.ttl_seconds and r.finished_at <= holdfast.now() - make_interval(secs => l.ttl_seconds)
          and not holdfast.is_needed(r.id)
        order by r.finished_at limit $2) old
    union all
    (select r.id from holdfast.runs r
     where r.ttl_seconds is null and (r.state not in ('Failed', 'TimedOut') or r.discarded_at is not null)
       and r.finished_at <= holdfast.now() - make_interval(secs => $1::double precision)
       and not holdfast.is_needed(r.id)
     order by r.finished_at limit $2)
), doomed as materialized (
    select r.id from holdfast.runs r
    where r.id = any(array(select id from outlived limit $2)) and r.finished_at is not null
    for update skip locked
), deleted_steps as (
    delete from holdfast.steps where run_id = any(array(select id from doomed))
), deleted_logs as (
    delete from holdfast.logs where run_id = any(array(select id from doomed))
), deleted_attempts as (
    delete from holdfast.attempts where run_id = any(array(select id from doomed))
), deleted_tokens as (
    delete from holdfast.tokens where run_id = any(array(select id from doomed))
), deleted_signals as (
    delete from holdfast.signals where run_id = any(array(select id from doomed))
), deleted_subscriptions as (
    delete from holdfast.subscriptions where run_id = any(array(select id from doomed))
), deleted_waits as (
    delete from holdfast.waits where run_id = any(array(select id from doomed))
), deleted_children as (
    delete from holdfast.children where parent_id = any(array(select id from doomed))
), deleted as (
    delete from holdfast.runs where id = any(array(select id from doomed)) returning 1
)
select count(*)::integer from deleted

-- name: delete_old_events
-- Delete events that were published longer ago than so many seconds. One that a run has got, and may not have recorded yet, stays.
with deleted as (
    delete from holdfast.events where id = any(array(
        select e.id from holdfast.events e
        where e.published_at <= holdfast.now() - make_interval(secs => $1::double precision)
          and not exists (
              select from holdfast.subscriptions s join holdfast.runs r on r.id = s.run_id
              where s.kind = 'event' and s.message_id = e.id and not s.is_recorded
                and (r.finished_at is null or r.state in ('Failed', 'TimedOut') and r.discarded_at is null))
        order by e.published_at limit $2))
    returning 1
)
select count(*)::integer from deleted

-- name: cancel_follower
-- Cancel one run that follows a parent which was canceled or discarded; null when there is none left.
select holdfast.cancel_follower()
