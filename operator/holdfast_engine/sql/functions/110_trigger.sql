-- Accept a run. Call it inside your own transaction: the run exists if and only if you commit.
-- Options (all optional): name, queue, entrypoint, priority, concurrency_key, idempotency_key, tags, start_after,
-- delay_seconds, expire_after_seconds, max_attempts, backoff_seconds, max_backoff_seconds, multiplier_percent,
-- disruption_limit, active_deadline_seconds, attempt_deadline_seconds, pending_deadline_seconds, lease_seconds,
-- ttl_seconds, template, launcher, suspend, replay_of, resource_uid. What is not given comes from the task, then from the defaults below.
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
    c_input_limit_bytes constant integer := 1048576; -- contract/limits.py: INPUT_LIMIT_BYTES
    known holdfast.tasks;
    wanted jsonb;
    unknown text;
    v_now timestamptz := holdfast.now();
    v_due timestamptz;
    v_state text;
    v_queue text;
begin
    select string_agg(key, ', ') into unknown from jsonb_object_keys(p_options) as key
    where key not in (
        'name', 'queue', 'entrypoint', 'priority', 'concurrency_key', 'idempotency_key', 'tags', 'start_after',
        'delay_seconds', 'expire_after_seconds', 'max_attempts', 'backoff_seconds', 'max_backoff_seconds',
        'multiplier_percent', 'disruption_limit', 'active_deadline_seconds', 'attempt_deadline_seconds',
        'pending_deadline_seconds', 'lease_seconds', 'ttl_seconds', 'template', 'launcher', 'suspend',
        'replay_of', 'resource_uid');
    if unknown is not null then
        perform holdfast.refuse('HF004', format('unknown trigger options: %s', unknown));
    end if;
    if octet_length(p_input) > c_input_limit_bytes then
        perform holdfast.refuse('HF006',
            format('the input is %s bytes of JSON, over the limit of %s bytes', octet_length(p_input), c_input_limit_bytes),
            'pass a reference to the data instead (a path, a key in object storage)');
    elsif (json_typeof(p_input::json) = 'object') is not true then
        perform holdfast.refuse('HF004', 'the input must be a JSON object', 'pass {"parameter": value, ...}');
    end if;

    if p_options ->> 'resource_uid' is not null then
        select r.id, r.name, false into run_id, run_name, created from holdfast.runs r
        where r.resource_uid = p_options ->> 'resource_uid';
        if found then
            return;
        end if;
    end if;

    select * into known from holdfast.tasks t where t.namespace = p_namespace and t.name = p_task;
    wanted := jsonb_strip_nulls(coalesce(known.spec -> 'defaults', '{}')) || jsonb_strip_nulls(coalesce(p_options, '{}'));
    if coalesce(wanted ->> 'entrypoint', known.entrypoint, wanted -> 'template' ->> 'command') is null then
        perform holdfast.refuse('HF002',
            format('no task %s in namespace %s', quote_literal(p_task), quote_literal(p_namespace)),
            'register it (holdfast dev MODULE, or apply a Task), or give an entrypoint');
    end if;

    run_id := holdfast.new_id();
    run_name := coalesce(wanted ->> 'name',
        ltrim(rtrim(left(lower(regexp_replace(p_task, '[^A-Za-z0-9]+', '-', 'g')), 50), '-')
            || '-' || right(run_id::text, 12), '-'));
    v_queue := coalesce(wanted ->> 'queue', known.queue, 'default');
    insert into holdfast.queues (namespace, name, concurrency) values (p_namespace, v_queue, 10)
    on conflict do nothing;

    v_due := coalesce((wanted ->> 'start_after')::timestamptz,
        v_now + make_interval(secs => (wanted ->> 'delay_seconds')::double precision));
    v_state := case
        when (wanted ->> 'suspend')::boolean then 'Suspended'
        when v_due > v_now then 'Delayed'
        else 'Queued' end;

    begin
        insert into holdfast.runs (
            id, namespace, name, task, queue, state, entrypoint, input, template, launcher, tags, priority, concurrency_key,
            idempotency_key, max_attempts, backoff_seconds, max_backoff_seconds, multiplier_percent, disruption_limit,
            run_deadline_seconds, attempt_deadline_seconds, pending_deadline_seconds, lease_seconds, ttl_seconds,
            replay_of, resource_uid, created_at, queued_at, due_at, expire_at, suspended_from, suspended_at
        ) values (
            run_id, p_namespace, run_name, p_task, v_queue, v_state,
            coalesce(wanted ->> 'entrypoint', known.entrypoint), p_input,
            coalesce(known.spec -> 'template', '{}') || coalesce(wanted -> 'template', '{}'),
            wanted ->> 'launcher',
            coalesce((select array_agg(tag) from jsonb_array_elements_text(wanted -> 'tags') as tag), '{}'),
            coalesce((wanted ->> 'priority')::integer, 0),
            wanted ->> 'concurrency_key',
            wanted ->> 'idempotency_key',
            coalesce((wanted ->> 'max_attempts')::integer, 3),
            coalesce((wanted ->> 'backoff_seconds')::double precision, 1),
            coalesce((wanted ->> 'max_backoff_seconds')::double precision, 60),
            coalesce((wanted ->> 'multiplier_percent')::integer, 200),
            coalesce((wanted ->> 'disruption_limit')::integer, 20),
            (wanted ->> 'active_deadline_seconds')::integer,
            (wanted ->> 'attempt_deadline_seconds')::integer,
            coalesce((wanted ->> 'pending_deadline_seconds')::integer, 600),
            coalesce((wanted ->> 'lease_seconds')::integer, 30),
            (wanted ->> 'ttl_seconds')::integer,
            (wanted ->> 'replay_of')::uuid,
            wanted ->> 'resource_uid',
            v_now,
            case when v_state = 'Queued' then v_now end,
            case when v_due > v_now then v_due end,
            v_now + make_interval(secs => (wanted ->> 'expire_after_seconds')::double precision),
            case when v_state = 'Suspended' then case when v_due > v_now then 'Delayed' else 'Queued' end end,
            case when v_state = 'Suspended' then v_now end
        )
        on conflict (namespace, task, idempotency_key) where idempotency_key is not null do nothing;
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
                format('a run named %s exists already in namespace %s', quote_literal(run_name), quote_literal(p_namespace)),
                'choose another name, or leave it out');
        end if;
    end;
    if not created then
        select r.id, r.name into run_id, run_name from holdfast.runs r
        where r.namespace = p_namespace and r.task = p_task and r.idempotency_key = wanted ->> 'idempotency_key';
    end if;
end
$$;
