-- An attempt is over without success: decide what becomes of its run. Called by `finish` for what the runner reports, and
-- by the engine for what it found out (process gone, lease expired, deadline passed). Nothing happens when the attempt is
-- not the current one any more or has ended already: whoever comes late reads the state that holds.
--
-- Backoff of failures: min(max, base * multiplier ^ (failures since the last recorded step - 1)), with full jitter.
-- Disruptions wait short and flat, and have their own limit; so has an attempt that could not start.
create or replace function holdfast.end_attempt(
    p_run_id uuid, p_attempt integer, p_class text, p_reason text, p_message text,
    p_error text default null, p_retry_after_seconds double precision default null, p_exit_code integer default null
) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    r holdfast.runs;
    v_now timestamptz := holdfast.now();
    v_state text;
    v_reason text := p_reason;
    v_delay_seconds double precision;
    v_closing jsonb;
begin
    -- what is being recorded at this moment is seen below, and nothing is after that
    perform pg_advisory_xact_lock(uuid_hash_extended(p_run_id, 0));
    select * into r from holdfast.runs where id = p_run_id for update;
    if r.id is null or r.attempt <> p_attempt or r.state not in ('Starting', 'Running', 'Canceling') then
        return r.state;
    end if;

    -- it was renewed since whoever says so has looked
    if p_reason = 'LeaseExpired' and r.lease_expires_at > v_now then
        return r.state;
    end if;

    -- nobody could renew a lease while the server was down: each gets one lease from the server's start on
    if p_reason = 'LeaseExpired' and v_now < pg_postmaster_start_time() + make_interval(secs => r.lease_seconds) then
        update holdfast.runs set lease_expires_at = pg_postmaster_start_time() + make_interval(secs => lease_seconds)
        where id = p_run_id and state = r.state;
        return r.state;
    end if;

    -- a step that failed again is no progress
    if exists (
        select from holdfast.steps s where s.run_id = p_run_id and s.attempt = p_attempt and s.outcome = 'Succeeded')
    then
        r.failures_since_progress := 0;
    end if;
    if r.closing is not null then
        return holdfast.end_closing_attempt(r, p_class, p_reason, p_message, p_retry_after_seconds, p_exit_code);
    end if;
    if r.state = 'Canceling' then
        null;  -- what ends because somebody wants it to is no failure
    elsif p_class in ('App', 'OOM', 'Deadline') then
        r.failures := r.failures + 1;
        r.failures_since_progress := r.failures_since_progress + 1;
    elsif p_class = 'NonRetryable' then
        r.failures := r.failures + 1;
    elsif p_class = 'Disruption' then
        r.disruptions := r.disruptions + 1;
    end if;

    if r.state = 'Canceling' then
        v_state := 'Canceled';
    elsif p_class = 'NonRetryable' then
        v_state := 'Failed';
    elsif p_class in ('App', 'OOM', 'Deadline') and r.failures >= r.max_attempts then
        v_state := 'Failed';
    elsif p_class = 'Disruption' and r.disruptions > r.disruption_limit then
        v_state := 'Failed';
        v_reason := 'DisruptionLimitReached';
    elsif p_class = 'Start' and r.pending_deadline_at <= v_now then
        v_state := 'Failed';
        v_reason := 'PendingDeadlineExceeded';
    elsif r.suspend_requested_at is not null then
        v_state := 'Suspended';
    else
        v_state := 'Backoff';
        v_delay_seconds := coalesce(p_retry_after_seconds, case p_class
            when 'Disruption' then 1
            when 'Start' then 2
            else random() * least(r.max_backoff_seconds,
                r.backoff_seconds * power(r.multiplier_percent / 100.0, least(r.failures_since_progress - 1, 60)))
            end);
    end if;

    update holdfast.attempts set
        ended_at = v_now,
        outcome = case when v_state = 'Canceled' then 'Canceled' when p_class in ('Disruption', 'Start') then 'Lost' else 'Failed' end,
        class = p_class, reason = case when v_state = 'Canceled' then 'Canceled' else p_reason end, message = p_message, exit_code = p_exit_code
    where run_id = p_run_id and number = p_attempt;

    if v_state = 'Canceled' then
        v_reason := 'Canceled';
        p_message := 'canceled on request';
    end if;
    if v_state in ('Failed', 'Canceled') then
        v_closing := holdfast.closing_of(r, v_state, v_reason, p_message);
    end if;
    if v_closing is not null then
        update holdfast.runs set failures = r.failures, error = coalesce(p_error, error) where id = p_run_id;
        return holdfast.begin_closing(p_run_id, v_closing);
    end if;
    update holdfast.runs set
        state = v_state,
        failures = r.failures,
        failures_since_progress = r.failures_since_progress,
        disruptions = r.disruptions,
        session_hash = null,
        lease_expires_at = null,
        attempt_deadline_at = null,
        pending_deadline_at = case when p_class = 'Start' and v_state = 'Backoff' then pending_deadline_at end,
        due_at = case when v_state = 'Backoff' then v_now + make_interval(secs => greatest(0, least(v_delay_seconds, 2147483647))) end,
        suspended_from = case when v_state = 'Suspended' then 'Queued' end,
        suspended_at = case when v_state = 'Suspended' then v_now end,
        suspend_requested_at = case when v_state = 'Suspended' then null else suspend_requested_at end,
        finished_at = case when v_state in ('Failed', 'Canceled') then v_now end,
        reason = v_reason,
        message = p_message,
        error = coalesce(p_error, error)
    where id = p_run_id and state = r.state;
    return v_state;
end
$$;
