-- Admission: queued runs take the free slots of their queues, at most p_limit of them, and each gets its next attempt.
-- Only runs that name one of p_launchers ('' stands for those that name none). Returns what p_launcher, who takes them
-- over, needs to launch them.
--
-- One admission at a time, so that two engines together never exceed a limit; every statement below sees what the last
-- one committed. The planner must walk the indexes whatever it believes about the tables: the cost then grows with the
-- slots and with what is admitted, not with what is queued or finished.
create or replace function holdfast.admit_runs(p_launchers text[], p_launcher text, p_limit integer)
returns table (
    run_id uuid, attempt integer, namespace text, name text, task text, queue text, entrypoint text, template jsonb,
    token text
)
language plpgsql
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
set jit = off
as $$
#variable_conflict use_column
declare
    v_now timestamptz := holdfast.now();
    -- how much an engine that looks late may make up for of a queue's rate limit
    v_tolerance interval := interval '100 milliseconds';
    v_picked uuid[] := '{}';
    v_of_queue uuid[];
    v_served_key text;
    q record;
begin
    perform pg_advisory_xact_lock(hashtextextended('holdfast.admit_runs', 0));

    for q in
        select o.* from (
            select x.namespace, x.name, x.concurrency_per_key, x.served_key,
                least(
                    p_limit,
                    x.concurrency - (
                        select count(*) from holdfast.runs r
                        where r.namespace = x.namespace and r.queue = x.name
                          and r.state in ('Starting', 'Running', 'Canceling')),
                    floor(extract(epoch from v_now - greatest(x.next_start_at, v_now - v_tolerance))
                        * x.starts_per_minute / 60) + 1
                )::bigint as free
            from holdfast.queues x
            where not x.paused and (x.starts_per_minute is null or x.next_start_at <= v_now)
              and exists (
                select from unnest(p_launchers) as allowed (launcher)
                cross join lateral (
                    select from holdfast.runs r
                    where r.namespace = x.namespace and r.queue = x.name and r.state = 'Queued'
                      and coalesce(r.launcher, '') = allowed.launcher
                    order by r.priority desc, r.queued_at, r.id limit 1) queued)
        ) o
        where o.free > 0
    loop
        if q.concurrency_per_key is null then
            v_of_queue := holdfast.pick_runs(q.namespace, q.name, p_launchers, q.free);
        else
            v_of_queue := holdfast.pick_runs_with_free_key(
                q.namespace, q.name, p_launchers, q.concurrency_per_key, q.free);
            if cardinality(v_of_queue) = 0 then
                select t.run_ids, t.served_key into v_of_queue, v_served_key
                from holdfast.pick_runs_in_turn(
                    q.namespace, q.name, p_launchers, q.concurrency_per_key, q.served_key, q.free) t;
                update holdfast.queues x set served_key = v_served_key
                where x.namespace = q.namespace and x.name = q.name;
            end if;
        end if;
        v_picked := v_picked || v_of_queue;
    end loop;

    if cardinality(v_picked) = 0 then
        return;
    end if;

    return query
    with locked as materialized (
        -- who is being canceled or suspended at this moment is left alone; no state here, or the planner might look for
        -- the ids in an index of queued runs that it believes to be short
        select r.id, r.state from holdfast.runs r
        where r.id = any(v_picked)
        order by r.priority desc, r.queued_at, r.id limit p_limit
        for update skip locked
    ), admitted as (
        update holdfast.runs r set
            state = 'Starting',
            attempt = r.attempt + 1,
            started_at = coalesce(r.started_at, v_now),
            -- what closes a run has no deadline but its own
            run_deadline_at = case when r.closing is null
                then coalesce(r.run_deadline_at, v_now + make_interval(secs => r.run_deadline_seconds)) end,
            pending_deadline_at = coalesce(r.pending_deadline_at, v_now + make_interval(secs => r.pending_deadline_seconds)),
            expire_at = null,
            due_at = null
        from locked where r.id = locked.id and locked.state = 'Queued'
        returning r.*
    ), numbered as (
        insert into holdfast.attempts (run_id, number, admitted_at, launch)
        select a.id, a.attempt, v_now, jsonb_build_object('launcher', p_launcher) from admitted a
    ), counted as (
        update holdfast.queues x set
            next_start_at = greatest(x.next_start_at, v_now - v_tolerance)
                + make_interval(secs => n.starts * 60.0 / x.starts_per_minute)
        from (select a.namespace, a.queue, count(*) as starts from admitted a group by a.namespace, a.queue) n
        where x.namespace = n.namespace and x.name = n.queue and x.starts_per_minute is not null
    )
    select a.id, a.attempt, a.namespace, a.name, a.task, a.queue, a.entrypoint, a.template,
           holdfast.bootstrap_token(a.id, a.attempt)
    from admitted a
    order by a.priority desc, a.queued_at, a.id;
end
$$;
