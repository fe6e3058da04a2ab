-- End the attempt with its outcome: 'Succeeded' (value = result), 'Failed' (class App or NonRetryable, value = error),
-- 'Canceled', 'Disrupted', or 'Closed' by the attempt that compensates. Failed and canceled steps named in p_reopen_keys are executed again by the next attempt.
-- When it returns, the slot is free and whoever waits has been notified. Sending it twice is allowed.
create or replace function holdfast_v1.finish(
    p_run_id uuid, p_attempt integer, p_session bytea, p_outcome text, p_class text, p_reason text, p_message text,
    p_value text, p_retry_after_seconds double precision, p_reopen_keys text[]
) returns text
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    r holdfast.runs;
    v_now timestamptz := holdfast.now();
begin
    -- as `end_attempt` does, which needs it before the run's row
    perform pg_advisory_xact_lock(uuid_hash_extended(p_run_id, 0));
    select * into r from holdfast.runs where id = p_run_id for update;
    if (r.attempt = p_attempt and r.session_hash = sha256(p_session)) is not true then
        if r.attempt = p_attempt and exists (
            select from holdfast.attempts a where a.run_id = p_run_id and a.number = p_attempt
                and a.session_hash = sha256(p_session)
                and case p_outcome
                    when 'Succeeded' then a.outcome = 'Succeeded' and r.result is not distinct from p_value
                    when 'Closed' then a.outcome = 'Succeeded' and r.closing is not null
                    when 'Canceled' then a.outcome = 'Canceled'
                    when 'Disrupted' then a.class = 'Disruption' and a.reason in (p_reason, 'Canceled')
                    else a.class = p_class and a.reason in (p_reason, 'Canceled') and a.message is not distinct from p_message end)
        then
            return r.state;
        end if;
        perform holdfast.refuse_fenced(p_run_id, p_attempt);
    end if;

    if p_outcome = 'Closed' and r.closing is not null then
        update holdfast.attempts set ended_at = v_now, outcome = 'Succeeded' where run_id = p_run_id and number = p_attempt;
        return holdfast.end_closing(r, r.closing ->> 'state', '{}', null);
    elsif p_outcome = 'Succeeded' and r.closing is null then
        update holdfast.attempts set ended_at = v_now, outcome = 'Succeeded' where run_id = p_run_id and number = p_attempt;
        update holdfast.runs set
            state = 'Succeeded', result = p_value, error = null, reason = 'Succeeded', message = null, finished_at = v_now,
            session_hash = null, lease_expires_at = null, attempt_deadline_at = null, due_at = null
        where id = p_run_id and state = r.state;
        return 'Succeeded';
    elsif p_outcome = 'Canceled' and r.state = 'Canceling' then
        return holdfast.end_attempt(p_run_id, p_attempt, 'App', 'Canceled', coalesce(p_message, 'canceled on request'), p_value);
    elsif p_outcome = 'Disrupted' then
        return holdfast.end_attempt(p_run_id, p_attempt, 'Disruption', p_reason, p_message, p_value, p_retry_after_seconds);
    elsif p_outcome in ('Failed', 'Canceled') and p_class in ('App', 'NonRetryable') then
        -- what was recorded after the first of them may not be asked for again: position 0 binds nobody
        update holdfast.steps set position = 0
        where run_id = p_run_id and key <> all(p_reopen_keys) and sequence > (
            select min(s.sequence) from holdfast.steps s
            where s.run_id = p_run_id and s.key = any(p_reopen_keys) and s.outcome in ('Failed', 'Canceled'));
        update holdfast.steps set outcome = 'Retrying', tries = 0
        where run_id = p_run_id and key = any(p_reopen_keys) and outcome in ('Failed', 'Canceled');
        return holdfast.end_attempt(p_run_id, p_attempt, p_class, p_reason, p_message, p_value, p_retry_after_seconds);
    end if;
    perform holdfast.refuse('HF005', format('outcome %s with class %s is not one that a runner reports', p_outcome, p_class));
end
$$;
