-- Begin an attempt: swap the single-use token for a session secret that the runner generated, and get the input and all
-- checkpoints in one round trip. The first row is the run, a JSON object in the first column; each of the others is one
-- recorded step, in the other columns. They come in no order: the sequence numbers say it, and the runner sorts faster.
-- Values over 64 KiB, and what exceeds 16 MiB in total, come as null: `fetch` has them.
-- Sending it twice with the same secret is allowed (the answer may have been lost); with another it is refused.
create or replace function holdfast_v1.open(
    p_run_id uuid, p_attempt integer, p_token text, p_session bytea, p_runner jsonb,
    out run json,
    out step_key text, out step_sequence integer, out step_position integer, out step_kind text, out step_name text,
    out step_outcome text, out step_tries integer, out step_input_digest bytea, out step_value text
) returns setof record
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    r holdfast.runs;
    v_recorded_steps integer;
    v_recorded_bytes bigint;
    v_last_sent_sequence integer;
    v_now timestamptz := holdfast.now();
    v_hash bytea := sha256(p_session);
begin
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        perform holdfast.refuse_snapshot();
    end if;
    -- exclusive against the shared lock of `record`: what an older attempt still commits is seen below
    perform pg_advisory_xact_lock(uuid_hash_extended(p_run_id, 0));
    select * into r from holdfast.runs x where x.id = p_run_id for update;
    if r.id is null then
        perform holdfast.refuse('HF002', format('no run %s', p_run_id));
    elsif p_token is distinct from holdfast.bootstrap_token(p_run_id, p_attempt) then
        perform holdfast.refuse('HF003', format('the token is not that of attempt %s of run %s', p_attempt, p_run_id));
    elsif r.attempt <> p_attempt then
        perform holdfast.refuse('HF001', format('attempt %s of run %s was replaced by attempt %s', p_attempt, p_run_id, r.attempt));
    elsif (length(p_session) >= 16) is not true then
        perform holdfast.refuse('HF003', 'a session secret needs at least 16 bytes');
    elsif r.closing is not null and not p_runner ? 'closes' then
        -- it would execute the task
        perform holdfast.refuse('HF005', format('the runner of attempt %s of run %s cannot close it', p_attempt, p_run_id),
            'its version of holdfast is older than that of the attempt before');
    end if;

    select count(*) filter (where s.outcome = 'Succeeded'), sum(octet_length(s.value))
    into v_recorded_steps, v_recorded_bytes
    from holdfast.steps s where s.run_id = p_run_id;
    if r.state = 'Starting' then
        update holdfast.runs x set
            state = 'Running',
            session_hash = v_hash,
            lease_expires_at = v_now + make_interval(secs => x.lease_seconds),
            attempt_deadline_at = v_now + make_interval(secs => x.attempt_deadline_seconds),
            pending_deadline_at = null,
            python_version = coalesce(x.python_version, p_runner ->> 'python')
        where x.id = p_run_id and x.state = 'Starting'
        returning * into r;
        update holdfast.attempts a set
            -- who launched it may have died before saying so
            launched_at = coalesce(a.launched_at, v_now), opened_at = v_now, runner = p_runner, session_hash = v_hash,
            replayed_steps = v_recorded_steps
        where a.run_id = p_run_id and a.number = p_attempt;
    elsif (r.session_hash = v_hash) is not true then
        perform holdfast.refuse('HF001',
            format('attempt %s of run %s was opened before or has ended (the run is %s)', p_attempt, p_run_id, r.state));
    end if;

    run := json_build_object(
        'flags', (r.cancel_requested_at is not null)::integer + 2 * (r.suspend_requested_at is not null)::integer,
        'namespace', r.namespace, 'name', r.name, 'task', r.task, 'queue', r.queue, 'entrypoint', r.entrypoint,
        'input', r.input, 'tags', r.tags, 'idempotency_key', r.idempotency_key, 'created_at', r.created_at,
        'failures', r.failures, 'disruptions', r.disruptions, 'max_attempts', r.max_attempts,
        'lease_seconds', r.lease_seconds,
        'attempt_remaining_seconds', extract(epoch from r.attempt_deadline_at - v_now),
        'run_remaining_seconds', extract(epoch from r.run_deadline_at - v_now),
        'database_now', v_now, 'python_version', r.python_version, 'hooks', r.hooks,
        'closing', case when r.closing is not null then r.closing || jsonb_build_object('error', r.error) end);
    return next;

    if v_recorded_bytes > 16777216 then
        select coalesce(max(s.sequence) filter (where s.total <= 16777216), 0) into v_last_sent_sequence
        from (
            select x.sequence, sum(octet_length(x.value)) over (order by x.sequence rows unbounded preceding) as total
            from holdfast.steps x where x.run_id = p_run_id
        ) s;
    end if;
    return query
    select null::json, s.key, s.sequence, s.position, s.kind, s.name, s.outcome, s.tries, s.input_digest,
           case when octet_length(s.value) <= 65536 and s.sequence <= coalesce(v_last_sent_sequence, s.sequence)
                then s.value end
    from holdfast.steps s where s.run_id = p_run_id;
end
$$;
