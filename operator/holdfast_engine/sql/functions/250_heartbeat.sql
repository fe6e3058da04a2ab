-- Renew the lease, deliver log lines, learn what is pending. Line numbers count within the attempt: a line that was
-- delivered before is passed over, so a heartbeat whose answer was lost can be sent again.
create or replace function holdfast_v1.heartbeat(
    p_run_id uuid, p_attempt integer, p_session bytea,
    p_line_numbers integer[], p_line_ages_ms integer[], p_streams text[], p_step_keys text[], p_lines text[],
    out flags integer, out attempt_remaining_seconds double precision, out run_remaining_seconds double precision
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    r holdfast.runs;
    v_now timestamptz := holdfast.now();
begin
    update holdfast.runs x set lease_expires_at = v_now + make_interval(secs => x.lease_seconds)
    where x.id = p_run_id and x.attempt = p_attempt and x.session_hash = sha256(p_session)
    returning * into r;
    if not found then
        perform holdfast.refuse_fenced(p_run_id, p_attempt);
    end if;
    if cardinality(p_lines) > 0 then
        insert into holdfast.logs (run_id, attempt, line_number, logged_at, stream, step_key, line)
        select p_run_id, p_attempt, n.line_number, v_now - make_interval(secs => n.age_ms / 1000.0), n.stream, n.step_key, n.line
        from unnest(p_line_numbers, p_line_ages_ms, p_streams, p_step_keys, p_lines)
            as n (line_number, age_ms, stream, step_key, line)
        on conflict do nothing;
    end if;
    flags := (r.cancel_requested_at is not null)::integer + 2 * (r.suspend_requested_at is not null)::integer;
    attempt_remaining_seconds := extract(epoch from r.attempt_deadline_at - v_now);
    run_remaining_seconds := extract(epoch from r.run_deadline_at - v_now);
end
$$;

-- Values that `open` left out because they are large.
create or replace function holdfast_v1.fetch(p_run_id uuid, p_attempt integer, p_session bytea, p_keys text[])
returns table (key text, value text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform 1 from holdfast.runs x
    where x.id = p_run_id and x.attempt = p_attempt and x.session_hash = sha256(p_session);
    if not found then
        perform holdfast.refuse_fenced(p_run_id, p_attempt);
    end if;
    return query select s.key, s.value from holdfast.steps s where s.run_id = p_run_id and s.key = any(p_keys);
end
$$;
