-- Runs are accepted here. Options of a trigger (all optional): name, queue, entrypoint, priority, concurrency_key,
-- idempotency_key, tags, start_after, delay_seconds, expire_after_seconds, max_attempts, backoff_seconds, max_backoff_seconds,
-- multiplier_percent, disruption_limit, active_deadline_seconds, attempt_deadline_seconds, pending_deadline_seconds,
-- lease_seconds, ttl_seconds, template, launcher, suspend, replay_of, resource_uid, hooks. What is not given comes from the
-- task, then from the defaults in `new_run`.

-- What a trigger asks for, and where it says nothing, what the task does.
create or replace function holdfast.wanted_options(p_spec jsonb, p_options jsonb) returns jsonb
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(coalesce(p_spec -> 'defaults', '{}')) || jsonb_strip_nulls(coalesce(p_options, '{}'))
$$;

-- Refuse triggers that cannot become runs.
create or replace function holdfast.check_triggers(
    p_namespace text, p_tasks text[], p_inputs text[], p_options jsonb[]
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    c_input_limit_bytes constant integer := 1048576; -- contract/limits.py: INPUT_LIMIT_BYTES
    v_unknown text;
    v_bytes integer;
    v_objects boolean;
begin
    select string_agg(distinct option, ', ') into v_unknown
    from unnest(p_options) as given (options), jsonb_object_keys(given.options) as option
    where option not in (
        'name', 'queue', 'entrypoint', 'priority', 'concurrency_key', 'idempotency_key', 'tags', 'start_after',
        'delay_seconds', 'expire_after_seconds', 'max_attempts', 'backoff_seconds', 'max_backoff_seconds',
        'multiplier_percent', 'disruption_limit', 'active_deadline_seconds', 'attempt_deadline_seconds',
        'pending_deadline_seconds', 'lease_seconds', 'ttl_seconds', 'template', 'launcher', 'suspend',
        'replay_of', 'resource_uid', 'hooks');
    if v_unknown is not null then
        perform holdfast.refuse('HF004', format('unknown trigger options: %s', v_unknown));
    end if;
    select max(octet_length(input)) into v_bytes from unnest(p_inputs) as input;
    if v_bytes > c_input_limit_bytes then
        perform holdfast.refuse('HF006',
            format('the input is %s bytes of JSON, over the limit of %s bytes', v_bytes, c_input_limit_bytes),
            'pass a reference to the data instead (a path, a key in object storage)');
    end if;
    select bool_and((json_typeof(input::json) = 'object') is true) into v_objects from unnest(p_inputs) as input;
    if not v_objects then
        perform holdfast.refuse('HF004', 'the input must be a JSON object', 'pass {"parameter": value, ...}');
    end if;
    select min(given.task) into v_unknown
    from unnest(p_tasks, p_options) as given (task, options)
    left join holdfast.tasks t on t.namespace = p_namespace and t.name = given.task
    cross join lateral (select holdfast.wanted_options(t.spec, given.options) as options) as wanted
    where coalesce(wanted.options ->> 'entrypoint', t.entrypoint, wanted.options -> 'template' ->> 'command') is null;
    if v_unknown is not null then
        perform holdfast.refuse('HF002',
            format('no task %s in namespace %s', quote_literal(v_unknown), quote_literal(p_namespace)),
            'register it (holdfast dev MODULE, or apply a Task), or give an entrypoint');
    end if;
end
$$;

-- The row of a run that begins, without the columns that tell how it goes on. Without a search path of its own, so that the
-- planner makes it a part of the statement that inserts.
create or replace function holdfast.new_run(
    p_id uuid, p_namespace text, p_task text, p_input text, p_entrypoint text, p_queue text, p_spec jsonb, p_wanted jsonb,
    p_now timestamptz
) returns table (
    id uuid, namespace text, name text, task text, queue text, state text, entrypoint text, input text, template jsonb,
    launcher text, tags text[], priority integer, concurrency_key text, idempotency_key text, max_attempts integer,
    backoff_seconds double precision, max_backoff_seconds double precision, multiplier_percent integer,
    disruption_limit integer, run_deadline_seconds integer, attempt_deadline_seconds integer,
    pending_deadline_seconds integer, lease_seconds integer, ttl_seconds integer, replay_of uuid, resource_uid text,
    hooks text[], created_at timestamptz, queued_at timestamptz, due_at timestamptz, expire_at timestamptz, suspended_from text,
    suspended_at timestamptz
)
language sql stable
as $$
    select
        p_id, p_namespace,
        coalesce(p_wanted ->> 'name',
            ltrim(rtrim(left(lower(regexp_replace(p_task, '[^A-Za-z0-9]+', '-', 'g')), 50), '-')
                || '-' || right(p_id::text, 12), '-')),
        p_task,
        coalesce(p_wanted ->> 'queue', p_queue, 'default'),
        case when start.suspended then 'Suspended' else start.state end,
        coalesce(p_wanted ->> 'entrypoint', p_entrypoint), p_input,
        coalesce(p_spec -> 'template', '{}') || coalesce(p_wanted -> 'template', '{}'),
        p_wanted ->> 'launcher',
        coalesce((select array_agg(tag) from jsonb_array_elements_text(p_wanted -> 'tags') as tag), '{}'),
        coalesce((p_wanted ->> 'priority')::integer, 0),
        p_wanted ->> 'concurrency_key',
        p_wanted ->> 'idempotency_key',
        coalesce((p_wanted ->> 'max_attempts')::integer, 3),
        coalesce((p_wanted ->> 'backoff_seconds')::double precision, 1),
        coalesce((p_wanted ->> 'max_backoff_seconds')::double precision, 60),
        coalesce((p_wanted ->> 'multiplier_percent')::integer, 200),
        coalesce((p_wanted ->> 'disruption_limit')::integer, 20),
        (p_wanted ->> 'active_deadline_seconds')::integer,
        (p_wanted ->> 'attempt_deadline_seconds')::integer,
        coalesce((p_wanted ->> 'pending_deadline_seconds')::integer, 600),
        coalesce((p_wanted ->> 'lease_seconds')::integer, 30),
        (p_wanted ->> 'ttl_seconds')::integer,
        (p_wanted ->> 'replay_of')::uuid,
        p_wanted ->> 'resource_uid',
        (select array_agg(hook) from jsonb_array_elements_text(p_wanted -> 'hooks') as hook),
        p_now,
        case when start.state = 'Queued' and not start.suspended then p_now end,
        start.due_at,
        p_now + make_interval(secs => (p_wanted ->> 'expire_after_seconds')::double precision),
        case when start.suspended then start.state end,
        case when start.suspended then p_now end
    from (
        select
            coalesce((p_wanted ->> 'suspend')::boolean, false) as suspended,
            case when due.at > p_now then 'Delayed' else 'Queued' end as state,
            case when due.at > p_now then due.at end as due_at
        from (
            select coalesce((p_wanted ->> 'start_after')::timestamptz,
                p_now + make_interval(secs => (p_wanted ->> 'delay_seconds')::double precision)) as at
        ) as due
    ) as start
$$;

-- Accept a run. Call it inside your own transaction: the run exists if and only if you commit.
-- Returns the run's id and whether this call created it (false: the idempotency key was used before, or the same
-- resource was accepted before: one uid is one run).
create or replace function holdfast.trigger_run(
    p_namespace text, p_task text, p_input text, p_options jsonb default '{}',
    out run_id uuid, out run_name text, out created boolean
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    known holdfast.tasks;
    wanted jsonb;
begin
    if p_options ->> 'resource_uid' is not null then
        select r.id, r.name, false into run_id, run_name, created from holdfast.runs r
        where r.resource_uid = p_options ->> 'resource_uid';
        if found then
            return;
        end if;
    end if;
    perform holdfast.check_triggers(p_namespace, array[p_task], array[p_input], array[p_options]);

    select * into known from holdfast.tasks t where t.namespace = p_namespace and t.name = p_task;
    wanted := holdfast.wanted_options(known.spec, p_options);
    insert into holdfast.queues (namespace, name, concurrency)
    values (p_namespace, coalesce(wanted ->> 'queue', known.queue, 'default'), 10)
    on conflict do nothing;
    run_id := holdfast.new_id();
    begin
        insert into holdfast.runs (
            id, namespace, name, task, queue, state, entrypoint, input, template, launcher, tags, priority, concurrency_key,
            idempotency_key, max_attempts, backoff_seconds, max_backoff_seconds, multiplier_percent, disruption_limit,
            run_deadline_seconds, attempt_deadline_seconds, pending_deadline_seconds, lease_seconds, ttl_seconds,
            replay_of, resource_uid, hooks, created_at, queued_at, due_at, expire_at, suspended_from, suspended_at
        )
        select * from holdfast.new_run(
            run_id, p_namespace, p_task, p_input, known.entrypoint, known.queue, known.spec, wanted, holdfast.now())
        on conflict (namespace, task, idempotency_key) where idempotency_key is not null do nothing
        returning name into run_name;
        created := found;
    exception when unique_violation then
        -- a caller with the same resource, or the same idempotency key and name, may have been faster by a moment
        created := false;
        if exists (select from holdfast.runs r where r.resource_uid = wanted ->> 'resource_uid') then
            select r.id, r.name into run_id, run_name from holdfast.runs r
            where r.resource_uid = wanted ->> 'resource_uid';
            return;
        elsif not exists (
            select from holdfast.runs r
            where r.namespace = p_namespace and r.task = p_task and r.idempotency_key = wanted ->> 'idempotency_key')
        then
            perform holdfast.refuse('HF004',
                format('a run named %s exists already in namespace %s',
                    quote_literal(wanted ->> 'name'), quote_literal(p_namespace)),
                'choose another name, or leave it out');
        end if;
    end;
    if not created then
        select r.id, r.name into run_id, run_name from holdfast.runs r
        where r.namespace = p_namespace and r.task = p_task and r.idempotency_key = wanted ->> 'idempotency_key';
    end if;
end
$$;

-- Accept many runs, all or none: what `trigger_run` does for each, in one statement where none can be there already.
create or replace function holdfast.trigger_runs(
    p_namespace text, p_tasks text[], p_inputs text[], p_options jsonb[]
) returns table (number bigint, run_id uuid, run_name text, created boolean)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_now timestamptz := holdfast.now();
begin
    if cardinality(p_tasks) = 1
        or exists (select from unnest(p_options) as options where options ?| '{name,idempotency_key,resource_uid}')
    then
        return query
        select given.number, made.run_id, made.run_name, made.created
        from unnest(p_tasks, p_inputs, p_options) with ordinality as given (task, input, options, number)
        cross join lateral holdfast.trigger_run(p_namespace, given.task, given.input, given.options) as made;
        return;
    end if;
    perform holdfast.check_triggers(p_namespace, p_tasks, p_inputs, p_options);
    return query
    with asked as materialized (
        select given.number, holdfast.new_id() as id, given.task, given.input, t.entrypoint, t.queue, t.spec,
            holdfast.wanted_options(t.spec, given.options) as wanted
        from unnest(p_tasks, p_inputs, p_options) with ordinality as given (task, input, options, number)
        left join holdfast.tasks t on t.namespace = p_namespace and t.name = given.task
    ), queues as (
        insert into holdfast.queues (namespace, name, concurrency)
        select distinct p_namespace, coalesce(a.wanted ->> 'queue', a.queue, 'default'), 10 from asked a
        on conflict do nothing
    ), made as (
        insert into holdfast.runs (
            id, namespace, name, task, queue, state, entrypoint, input, template, launcher, tags, priority, concurrency_key,
            idempotency_key, max_attempts, backoff_seconds, max_backoff_seconds, multiplier_percent, disruption_limit,
            run_deadline_seconds, attempt_deadline_seconds, pending_deadline_seconds, lease_seconds, ttl_seconds,
            replay_of, resource_uid, hooks, created_at, queued_at, due_at, expire_at, suspended_from, suspended_at
        )
        select n.* from asked a
        cross join lateral holdfast.new_run(
            a.id, p_namespace, a.task, a.input, a.entrypoint, a.queue, a.spec, a.wanted, v_now) as n
        returning id, name
    )
    select a.number, m.id, m.name, true from made m join asked a on a.id = m.id order by a.number;
end
$$;
