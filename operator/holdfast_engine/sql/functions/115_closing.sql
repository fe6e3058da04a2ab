-- Ends without success of runs that have something to do before: steps to be compensated, hooks to be called. Such a run
-- gets one more attempt, which does that; until it is over the run is closing: an active run, whose end is decided.

-- The steps of a run that have succeeded, have a compensation and were not compensated; the latest first.
create or replace function holdfast.undone_steps(p_run_id uuid) returns text[]
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(done.key order by done.sequence desc), '{}')
    from holdfast.steps promise
    join holdfast.steps done on done.run_id = promise.run_id and done.key = left(promise.key, -length('/compensable#1'))
    where promise.run_id = p_run_id and promise.kind = 'compensable' and done.outcome = 'Succeeded'
      -- one that was about to be replaced is there twice
      and not exists (select from holdfast.steps c where c.run_id = p_run_id and c.key = done.key || '~' || done.sequence)
      and not exists (
        select from holdfast.steps c
        where c.run_id = p_run_id and c.key = 'closing/' || done.key || '/compensate#1' and c.outcome = 'Succeeded')
$$;

-- What a run that is about to end without success has to do before: null if nothing. Nothing is undone where nothing that
-- the program did was wrong, but the program is: it cannot be started, or is not the one that made the records. That is to
-- be put right, and the run to be resumed.
create or replace function holdfast.closing_of(r holdfast.runs, p_state text, p_reason text, p_message text) returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    -- a command has no functions to be called, and would be executed again
    v_can_start boolean := p_reason not in ('ImportFailed', 'UnknownTask', 'PendingDeadlineExceeded')
        and r.template ->> 'command' is null;
    v_compensates boolean := v_can_start and p_reason <> 'HistoryMismatch' and cardinality(holdfast.undone_steps(r.id)) > 0;
    v_hooks text[] := array['on_complete', case p_state when 'Canceled' then 'on_cancel' else 'on_failure' end];
begin
    if v_compensates or (v_can_start and r.hooks && v_hooks) then
        return jsonb_build_object('state', p_state, 'reason', p_reason, 'message', p_message, 'compensates', v_compensates,
            'after_attempt', r.attempt, 'cancel_requested_at', r.cancel_requested_at);
    end if;
    return null;
end
$$;

-- The end of a run is decided: let it have the attempt that closes it. The caller has locked the run's row.
create or replace function holdfast.begin_closing(p_run_id uuid, p_closing jsonb) returns text
language sql
set search_path = pg_catalog, pg_temp
as $$
    update holdfast.runs set
        -- an attempt that is under way has ended: whoever looks after its process hears of that
        state = case when state in ('Starting', 'Running', 'Canceling') then 'Backoff' else 'Queued' end,
        due_at = case when state in ('Starting', 'Running', 'Canceling') then holdfast.now() end,
        closing = p_closing,
        reason = p_closing ->> 'reason',
        message = p_closing ->> 'message',
        queued_at = coalesce(queued_at, holdfast.now()),
        -- counted anew for the closing
        failures_since_progress = 0, disruptions = 0,
        wait_kind = null, suspended_from = null, suspended_at = null, cancel_requested_at = null, suspend_requested_at = null,
        session_hash = null, lease_expires_at = null, attempt_deadline_at = null, pending_deadline_at = null,
        run_deadline_at = null, expire_at = null
    where id = p_run_id
    returning state
$$;

-- An attempt that was to close a run has ended without having done it. It is tried again like any other, until
-- `max_attempts` in a row made no progress; then the run is a dead letter that says what is left undone.
create or replace function holdfast.end_closing_attempt(
    r holdfast.runs, p_class text, p_reason text, p_message text, p_retry_after_seconds double precision, p_exit_code integer
) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    v_now timestamptz := holdfast.now();
    v_state text;
    v_undone text[] := case when (r.closing ->> 'compensates')::boolean then holdfast.undone_steps(r.id) else '{}' end;
    v_delay_seconds double precision;
begin
    if p_class in ('App', 'OOM', 'Deadline', 'NonRetryable') then
        r.failures_since_progress := r.failures_since_progress + 1;
    elsif p_class = 'Disruption' then
        r.disruptions := r.disruptions + 1;
    end if;
    if p_class = 'NonRetryable'
        or r.failures_since_progress >= r.max_attempts
        or r.disruptions > r.disruption_limit
        or (p_class = 'Start' and r.pending_deadline_at <= v_now)
    then
        v_state := case when cardinality(v_undone) = 0 or r.closing ->> 'state' = 'TimedOut' then r.closing ->> 'state' else 'Failed' end;
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
        ended_at = v_now, outcome = case when p_class in ('Disruption', 'Start') then 'Lost' else 'Failed' end,
        class = p_class, reason = p_reason, message = p_message, exit_code = p_exit_code
    where run_id = r.id and number = r.attempt;
    if v_state not in ('Backoff', 'Suspended') then
        return holdfast.end_closing(r, v_state, v_undone, p_message);
    end if;
    update holdfast.runs set
        state = v_state,
        failures_since_progress = r.failures_since_progress,
        disruptions = r.disruptions,
        session_hash = null, lease_expires_at = null, attempt_deadline_at = null,
        pending_deadline_at = case when p_class = 'Start' and v_state = 'Backoff' then pending_deadline_at end,
        due_at = case when v_state = 'Backoff' then v_now + make_interval(secs => greatest(0, least(v_delay_seconds, 2147483647))) end,
        suspended_from = case when v_state = 'Suspended' then 'Queued' end,
        suspended_at = case when v_state = 'Suspended' then v_now end,
        suspend_requested_at = null
    where id = r.id and state = r.state;
    return v_state;
end
$$;

-- The closing is over: the run ends as was decided, or as a dead letter with what is left undone.
create or replace function holdfast.end_closing(r holdfast.runs, p_state text, p_undone text[], p_message text) returns text
language sql
set search_path = pg_catalog, pg_temp
as $$
    update holdfast.runs set
        state = p_state,
        closing = case when cardinality(p_undone) = 0 then closing else closing || jsonb_build_object('undone', p_undone) end,
        reason = case when cardinality(p_undone) = 0 then closing ->> 'reason' else 'CompensationFailed' end,
        message = case when cardinality(p_undone) = 0 then closing ->> 'message'
            else format('left undone: %s. The run had ended as %s (%s)%s. Compensating failed: %s',
                array_to_string(p_undone, ', '), closing ->> 'state', closing ->> 'reason', ': ' || (closing ->> 'message'), p_message) end,
        cancel_requested_at = (closing ->> 'cancel_requested_at')::timestamptz,
        finished_at = holdfast.now(),
        session_hash = null, due_at = null, lease_expires_at = null, attempt_deadline_at = null, pending_deadline_at = null,
        suspend_requested_at = null
    where id = r.id
    returning state
$$;
