-- Which queued runs of a queue come next: by priority, then by age. `p_launchers` are those whose runs may be picked
-- ('' stands for the runs that any may launch). Used by admission, under its lock and its planner settings.

create or replace function holdfast.pick_runs(p_namespace text, p_queue text, p_launchers text[], p_limit bigint)
returns uuid[]
language plpgsql
as $$
begin
    return array(
        select r.id
        from unnest(p_launchers) as allowed (launcher)
        cross join lateral (
            select x.id, x.priority, x.queued_at from holdfast.runs x
            where x.namespace = p_namespace and x.queue = p_queue and x.state = 'Queued'
              and coalesce(x.launcher, '') = allowed.launcher
              and (x.expire_at is null or x.expire_at > holdfast.now())
              and (x.run_deadline_at is null or x.run_deadline_at > holdfast.now())
            order by x.priority desc, x.queued_at, x.id limit p_limit
        ) r
        order by r.priority desc, r.queued_at, r.id limit p_limit);
end
$$;

-- The same for the runs with one concurrency key; '' stands for those without.
create or replace function holdfast.pick_runs_of_key(
    p_namespace text, p_queue text, p_launchers text[], p_key text, p_limit bigint
) returns uuid[]
language plpgsql
as $$
begin
    return array(
        select r.id
        from unnest(p_launchers) as allowed (launcher)
        cross join lateral (
            select x.id, x.priority, x.queued_at from holdfast.runs x
            where x.namespace = p_namespace and x.queue = p_queue and x.state = 'Queued'
              and coalesce(x.launcher, '') = allowed.launcher and coalesce(x.concurrency_key, '') = p_key
              and (x.expire_at is null or x.expire_at > holdfast.now())
              and (x.run_deadline_at is null or x.run_deadline_at > holdfast.now())
            order by x.priority desc, x.queued_at, x.id limit p_limit
        ) r
        order by r.priority desc, r.queued_at, r.id limit p_limit);
end
$$;

-- The same where a key may hold so many slots only, looking no further than the first 500 runs of the queue.
create or replace function holdfast.pick_runs_with_free_key(
    p_namespace text, p_queue text, p_launchers text[], p_slots_per_key integer, p_limit bigint
) returns uuid[]
language plpgsql
as $$
declare
    v_head uuid[] := holdfast.pick_runs(p_namespace, p_queue, p_launchers, 500);
begin
    return array(
        with held as materialized (
            select x.concurrency_key, count(*) as slots from holdfast.runs x
            where x.namespace = p_namespace and x.queue = p_queue and x.state in ('Starting', 'Running', 'Canceling')
            group by x.concurrency_key
        ), head as materialized (
            select x.id, x.concurrency_key, u.place,
                   row_number() over (partition by x.concurrency_key order by u.place) as place_of_key
            from unnest(v_head) with ordinality as u (id, place) join holdfast.runs x on x.id = u.id
        )
        select head.id from head left join held using (concurrency_key)
        where head.concurrency_key is null or head.place_of_key + coalesce(held.slots, 0) <= p_slots_per_key
        order by head.place limit p_limit);
end
$$;

-- For a queue that begins with runs of full keys: the keys take turns, from the one after `p_served_key` on. A key that
-- is visited has a slot free and is picked from, or is full and holds slots: so the walk is short whatever is queued.
create or replace function holdfast.pick_runs_in_turn(
    p_namespace text, p_queue text, p_launchers text[], p_slots_per_key integer, p_served_key text, p_limit bigint,
    out run_ids uuid[], out served_key text
)
language plpgsql
as $$
declare
    v_key text;
    v_is_second_round boolean := false;
    v_free bigint;
begin
    run_ids := '{}';
    served_key := p_served_key;
    while cardinality(run_ids) < p_limit loop
        select min(following.key) into v_key
        from unnest(p_launchers) as allowed (launcher)
        cross join lateral (
            select coalesce(x.concurrency_key, '') as key from holdfast.runs x
            where x.namespace = p_namespace and x.queue = p_queue and x.state = 'Queued'
              and coalesce(x.launcher, '') = allowed.launcher and coalesce(x.concurrency_key, '') > served_key
            order by coalesce(x.concurrency_key, '') limit 1
        ) following;
        exit when v_is_second_round and (v_key is null or v_key > p_served_key);
        if v_key is null then
            v_is_second_round := true;
            served_key := '';
        else
            v_free := p_slots_per_key - (
                select count(*) from holdfast.runs x
                where x.namespace = p_namespace and x.queue = p_queue and x.state in ('Starting', 'Running', 'Canceling')
                  and x.concurrency_key = v_key);
            if v_free > 0 then
                run_ids := run_ids || holdfast.pick_runs_of_key(
                    p_namespace, p_queue, p_launchers, v_key, least(v_free, p_limit - cardinality(run_ids)));
            end if;
            served_key := v_key;
        end if;
    end loop;
    run_ids := run_ids || holdfast.pick_runs_of_key(p_namespace, p_queue, p_launchers, '', p_limit);
    run_ids := array(
        select x.id from holdfast.runs x where x.id = any(run_ids)
        order by x.priority desc, x.queued_at, x.id limit p_limit);
end
$$;
