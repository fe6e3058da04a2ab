-- Record one finished step. Returns flags: 1 cancel requested, 2 suspend requested.
-- Refused (HF001) unless this attempt is the run's current one and the session secret is its own.
-- A recorded success never changes: sending the same record again is accepted, a different one is refused (HF004).
-- But what was recorded on the way to a failure that is tried again binds nobody: its position is 0, though its key names
-- a place, and what stands there now replaces it. So a step that is tried again ('Retrying') unbinds all inside its body.
-- The shared lock is what `open` of a newer attempt waits for. The lease is renewed once a third of it is spent.
create or replace function holdfast_v1.record(
    p_run_id uuid, p_attempt integer, p_session bytea,
    p_key text, p_sequence integer, p_position integer, p_kind text, p_name text, p_outcome text, p_tries integer,
    p_elapsed_ms integer, p_input_digest bytea, p_value text
) returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    r record;
begin
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        perform holdfast.refuse_snapshot();
    end if;
    perform pg_advisory_xact_lock_shared(uuid_hash_extended(p_run_id, 0));
    select (x.cancel_requested_at is not null)::integer + 2 * (x.suspend_requested_at is not null)::integer as flags,
           x.lease_expires_at < holdfast.now() + make_interval(secs => x.lease_seconds / 1.5) as is_lease_due
    into r from holdfast.runs x
    where x.id = p_run_id and x.attempt = p_attempt and x.session_hash = sha256(p_session);
    if not found then
        perform holdfast.refuse_fenced(p_run_id, p_attempt);
    end if;
    insert into holdfast.steps as s (
        run_id, key, sequence, position, attempt, tries, recorded_at, elapsed_ms, kind, outcome, name, input_digest, value
    ) values (
        p_run_id, p_key, p_sequence, p_position, p_attempt, p_tries, holdfast.now(), p_elapsed_ms, p_kind, p_outcome,
        p_name, p_input_digest, p_value
    )
    on conflict (run_id, key) do update set
        sequence = excluded.sequence, position = excluded.position, attempt = excluded.attempt, tries = excluded.tries,
        recorded_at = excluded.recorded_at, elapsed_ms = excluded.elapsed_ms, kind = excluded.kind,
        outcome = excluded.outcome, name = excluded.name, input_digest = excluded.input_digest, value = excluded.value
    where s.outcome <> 'Succeeded' or (s.position = 0 and not starts_with(s.key, '='));
    if not found then
        perform holdfast.accept_only_same_record(p_run_id, p_attempt, p_key, p_sequence, p_outcome, p_value);
    end if;
    if p_outcome = 'Retrying' then
        perform holdfast.unbind_body(p_run_id, p_key);
    end if;
    if r.is_lease_due then
        update holdfast.runs x set lease_expires_at = holdfast.now() + make_interval(secs => x.lease_seconds)
        where x.id = p_run_id and x.attempt = p_attempt and x.session_hash is not null;
    end if;
    return r.flags;
end
$$;

-- The same for several steps that finished together: all or none.
create or replace function holdfast_v1.record_many(
    p_run_id uuid, p_attempt integer, p_session bytea,
    p_keys text[], p_sequences integer[], p_positions integer[], p_kinds text[], p_names text[], p_outcomes text[],
    p_tries integer[], p_elapsed_ms integer[], p_input_digests bytea[], p_values text[]
) returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    r record;
    v_rows bigint;
begin
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        perform holdfast.refuse_snapshot();
    end if;
    perform pg_advisory_xact_lock_shared(uuid_hash_extended(p_run_id, 0));
    select (x.cancel_requested_at is not null)::integer + 2 * (x.suspend_requested_at is not null)::integer as flags,
           x.lease_expires_at < holdfast.now() + make_interval(secs => x.lease_seconds / 1.5) as is_lease_due
    into r from holdfast.runs x
    where x.id = p_run_id and x.attempt = p_attempt and x.session_hash = sha256(p_session);
    if not found then
        perform holdfast.refuse_fenced(p_run_id, p_attempt);
    end if;
    insert into holdfast.steps as s (
        run_id, key, sequence, position, attempt, tries, recorded_at, elapsed_ms, kind, outcome, name, input_digest, value
    )
    select p_run_id, n.key, n.sequence, n.position, p_attempt, n.tries, holdfast.now(), n.elapsed_ms, n.kind, n.outcome,
           n.name, n.input_digest, n.value
    from unnest(p_keys, p_sequences, p_positions, p_kinds, p_names, p_outcomes, p_tries, p_elapsed_ms, p_input_digests, p_values)
        as n (key, sequence, position, kind, name, outcome, tries, elapsed_ms, input_digest, value)
    on conflict (run_id, key) do update set
        sequence = excluded.sequence, position = excluded.position, attempt = excluded.attempt, tries = excluded.tries,
        recorded_at = excluded.recorded_at, elapsed_ms = excluded.elapsed_ms, kind = excluded.kind,
        outcome = excluded.outcome, name = excluded.name, input_digest = excluded.input_digest, value = excluded.value
    where s.outcome <> 'Succeeded' or (s.position = 0 and not starts_with(s.key, '='));
    get diagnostics v_rows = row_count;
    if v_rows < cardinality(p_keys) then
        perform holdfast.accept_only_same_record(p_run_id, p_attempt, n.key, n.sequence, n.outcome, n.value)
        from unnest(p_keys, p_sequences, p_outcomes, p_values) as n (key, sequence, outcome, value);
    end if;
    if 'Retrying' = any(p_outcomes) then
        perform holdfast.unbind_body(p_run_id, n.key)
        from unnest(p_keys, p_outcomes) as n (key, outcome) where n.outcome = 'Retrying';
    end if;
    if r.is_lease_due then
        update holdfast.runs x set lease_expires_at = holdfast.now() + make_interval(secs => x.lease_seconds)
        where x.id = p_run_id and x.attempt = p_attempt and x.session_hash is not null;
    end if;
    return r.flags;
end
$$;
