-- Trigger runs from a run: each from a key of its own, the place of the call and which one of a batch, so that triggering
-- again finds the same runs. Options are those of holdfast.trigger_run, but for what only the control plane may say. A task
-- that nobody has registered runs where its parent does, with the options in `defaults`. All or none.
create or replace function holdfast_v1.trigger(
    p_run_id uuid, p_attempt integer, p_session bytea,
    p_keys text[], p_tasks text[], p_inputs text[], p_options jsonb[], p_follows boolean
) returns table (key text, run_id uuid, run_name text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    c_batch_limit constant integer := 1000; -- contract/limits.py: BATCH_LIMIT
    c_children_limit constant integer := 10000; -- contract/limits.py: CHILDREN_PER_RUN_LIMIT
    c_depth_limit constant integer := 20; -- contract/limits.py: CHILD_DEPTH_LIMIT
    r holdfast.runs;
    v_forbidden text;
    v_unknown text;
    v_depth integer;
begin
    -- locked, so that a run that ends has no children afterwards that nobody cancels
    select * into r from holdfast.runs x
    where x.id = p_run_id and x.attempt = p_attempt and x.session_hash = sha256(p_session) for share;
    if not found then
        perform holdfast.refuse_fenced(p_run_id, p_attempt);
    end if;
    select string_agg(distinct option, ', ') into v_forbidden
    from unnest(p_options) as given (options),
        jsonb_object_keys(given.options || coalesce(given.options -> 'defaults', '{}')) as option
    where option in ('template', 'launcher', 'resource_uid', 'replay_of', 'lease_seconds', 'suspend')
       -- the program of a registered task is none of the caller's
       or option = 'entrypoint' and given.options ? 'entrypoint';
    if v_forbidden is not null then
        perform holdfast.refuse('HF004', format('a run cannot trigger another with these options: %s', v_forbidden));
    elsif cardinality(p_keys) > c_batch_limit then
        perform holdfast.refuse('HF006', format('a batch of %s runs, over the limit of %s', cardinality(p_keys), c_batch_limit),
            'trigger several batches');
    end if;
    select min(given.task) into v_unknown from unnest(p_tasks, p_options) as given (task, options)
    where given.options -> 'defaults' ->> 'entrypoint' is null
      and not exists (select from holdfast.tasks t where t.namespace = r.namespace and t.name = given.task);
    if v_unknown is not null then
        perform holdfast.refuse('HF004', format('no task %s in namespace %s', quote_literal(v_unknown), quote_literal(r.namespace)),
            'register it (holdfast dev MODULE, or apply a Task), or trigger the task itself instead of its name');
    end if;
    v_depth := 1 + coalesce((select max(c.depth) from holdfast.children c where c.child_id = p_run_id), 0);
    if v_depth > c_depth_limit then
        perform holdfast.refuse('HF006', format('run %s is the child of a child, %s times over, the most that may be', p_run_id, c_depth_limit),
            'does a task trigger itself without an end?');
    elsif cardinality(p_keys) + (select count(*) from holdfast.children c where c.parent_id = p_run_id) > c_children_limit
        and exists (select from unnest(p_keys) as given (key)
                    where not exists (select from holdfast.children c where c.parent_id = p_run_id and c.key = given.key))
    then
        perform holdfast.refuse('HF006', format('the run would have triggered more than %s runs, the most that one may', c_children_limit));
    end if;

    with missing as materialized (
        select given.key, given.task, given.input,
            case when t.name is null
                then coalesce(given.options -> 'defaults', '{}') || (given.options - 'defaults')
                    || jsonb_build_object('template', r.template)
                else given.options - 'defaults' end
            || jsonb_strip_nulls(jsonb_build_object('launcher', r.launcher)) as options,
            row_number() over (order by given.number) as number
        from unnest(p_keys, p_tasks, p_inputs, p_options) with ordinality as given (key, task, input, options, number)
        left join holdfast.tasks t on t.namespace = r.namespace and t.name = given.task
        where not exists (select from holdfast.children c where c.parent_id = p_run_id and c.key = given.key)
    ), asked as (
        select array_agg(m.task order by m.number) as tasks, array_agg(m.input order by m.number) as inputs,
               array_agg(m.options order by m.number) as options
        from missing m
    ), triggered as (
        select m.key, made.run_id, made.created
        from asked cross join lateral holdfast.trigger_runs(r.namespace, asked.tasks, asked.inputs, asked.options) as made
        join missing m on m.number = made.number
        where asked.tasks is not null
    )
    insert into holdfast.children (parent_id, key, child_id, depth, follows)
    -- a run that was there before belongs to whoever has triggered it
    select p_run_id, triggered.key, triggered.run_id, v_depth, p_follows and triggered.created from triggered;
    if exists (
        with recursive ancestors as (
            select p_run_id as id union select c.parent_id from holdfast.children c join ancestors a on c.child_id = a.id
        )
        select from holdfast.children c join ancestors a on c.child_id = a.id where c.parent_id = p_run_id)
    then
        perform holdfast.refuse('HF004',
            format('run %s would trigger itself, or a run that waits for it: the task and the idempotency key are the same', p_run_id),
            'choose another idempotency key');
    end if;

    return query
    select c.key, c.child_id, x.name from holdfast.children c left join holdfast.runs x on x.id = c.child_id
    where c.parent_id = p_run_id and c.key = any(p_keys);
end
$$;
