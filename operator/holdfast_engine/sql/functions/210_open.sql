-- Begin an attempt: swap the single-use token for a session secret that the runner generated, and get the input and all
-- checkpoints in one round trip. Values over 64 KiB, and what exceeds 16 MiB in total, come as null: `fetch` has them.
-- Sending it twice with the same secret is allowed (the answer may have been lost); with another it is refused.
create or replace function holdfast_v1.open(
    p_run_id uuid, p_attempt integer, p_token text, p_session bytea, p_runner jsonb,
    out flags integer, out namespace text, out name text, out task text, out queue text, out entrypoint text,
    out input text, out tags text[], out idempotency_key text, out created_at timestamptz, out failures integer,
    out disruptions integer, out max_attempts integer, out lease_seconds integer,
    out attempt_remaining_seconds double precision, out run_remaining_seconds double precision,
    out database_now timestamptz, out python_version text,
    out keys text[], out sequences integer[], out positions integer[], out kinds text[], out names text[],
    out outcomes text[], out tries integer[], out input_digests bytea[], out step_values text[]
)
language plpgsql security definer
set search_path = pg_catalog
as $$
declare
    r holdfast.runs;
    v_now timestamptz := holdfast.now();
    v_hash bytea := sha256(p_session);
begin
    -- exclusive against the shared lock of `record`: what an older attempt still commits is seen below
    perform pg_advisory_xact_lock(uuid_hash_extended(p_run_id, 0));
    select * into r from holdfast.runs x where x.id = p_run_id for update;
    if r.id is null then
        perform holdfast.refuse('HF002', format('no run %s', p_run_id));
    elsif p_token is distinct from holdfast.bootstrap_token(p_run_id, p_attempt) then
        perform holdfast.refuse('HF003', format('the token is not that of attempt %s of run %s', p_attempt, p_run_id));
    elsif r.attempt <> p_attempt then
        perform holdfast.refuse('HF001', format('attempt %s of run %s was replaced by attempt %s', p_attempt, p_run_id, r.attempt));
    elsif length(p_session) < 16 then
        perform holdfast.refuse('HF003', 'a session secret needs at least 16 bytes');
    elsif r.state = 'Starting' then
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
            opened_at = v_now, runner = p_runner, session_hash = v_hash,
            replayed_steps = (select count(*) from holdfast.steps s where s.run_id = p_run_id and s.outcome = 'Succeeded')
        where a.run_id = p_run_id and a.number = p_attempt;
    elsif r.session_hash is distinct from v_hash then
        perform holdfast.refuse('HF001',
            format('attempt %s of run %s was opened before or has ended (the run is %s)', p_attempt, p_run_id, r.state));
    end if;

    flags := (r.cancel_requested_at is not null)::integer + 2 * (r.suspend_requested_at is not null)::integer;
    namespace := r.namespace;
    name := r.name;
    task := r.task;
    queue := r.queue;
    entrypoint := r.entrypoint;
    input := r.input;
    tags := r.tags;
    idempotency_key := r.idempotency_key;
    created_at := r.created_at;
    failures := r.failures;
    disruptions := r.disruptions;
    max_attempts := r.max_attempts;
    lease_seconds := r.lease_seconds;
    attempt_remaining_seconds := extract(epoch from r.attempt_deadline_at - v_now);
    run_remaining_seconds := extract(epoch from r.run_deadline_at - v_now);
    database_now := v_now;
    python_version := r.python_version;

    select array_agg(s.key), array_agg(s.sequence), array_agg(s.position), array_agg(s.kind), array_agg(s.name),
           array_agg(s.outcome), array_agg(s.tries), array_agg(s.input_digest),
           array_agg(case when s.size <= 65536 and s.total <= 16777216 then s.value end)
    into keys, sequences, positions, kinds, names, outcomes, tries, input_digests, step_values
    from (
        select x.*, octet_length(x.value) as size, sum(octet_length(x.value)) over (order by x.sequence) as total
        from holdfast.steps x where x.run_id = p_run_id
        order by x.sequence
    ) s;
end
$$;
