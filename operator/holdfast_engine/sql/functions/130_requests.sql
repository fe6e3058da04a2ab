-- What people ask of a run: cancel, suspend, unsuspend, resume, replay, discard. Each returns the state after it.

create or replace function holdfast.cancel_run(p_run_id uuid, p_grace_seconds double precision default 30) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    r holdfast.runs;
    v_now timestamptz := holdfast.now();
    v_closing jsonb;
begin
    select * into r from holdfast.runs where id = p_run_id for update;
    if r.id is null then
        perform holdfast.refuse('HF002', format('no run %s', p_run_id));
    elsif r.closing is not null and r.finished_at is null then
        return r.state;  -- its end is decided
    elsif r.state in ('Starting', 'Running') then
        update holdfast.runs set
            state = 'Canceling', cancel_requested_at = v_now, pending_deadline_at = null,
            lease_expires_at = coalesce(lease_expires_at, case when session_hash is not null then v_now end),
            attempt_deadline_at = least(attempt_deadline_at, v_now + make_interval(secs => p_grace_seconds))
        where id = p_run_id and state = r.state;
        return 'Canceling';
    elsif r.state in ('Delayed', 'Queued', 'Waiting', 'Backoff', 'Suspended') then
        r.cancel_requested_at := v_now;
        v_closing := holdfast.closing_of(r, 'Canceled', 'Canceled', 'canceled before it went on');
        if v_closing is not null then
            return holdfast.begin_closing(p_run_id, v_closing);
        end if;
        update holdfast.runs set
            state = 'Canceled', cancel_requested_at = v_now, finished_at = v_now, suspended_from = null,
            suspended_at = null, reason = 'Canceled', message = 'canceled before it went on'
        where id = p_run_id and state = r.state;
        return 'Canceled';
    end if;
    return r.state;
end
$$;

create or replace function holdfast.suspend_run(p_run_id uuid) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    r holdfast.runs;
    v_now timestamptz := holdfast.now();
begin
    select * into r from holdfast.runs where id = p_run_id for update;
    if r.id is null then
        perform holdfast.refuse('HF002', format('no run %s', p_run_id));
    elsif r.state in ('Starting', 'Running') then
        update holdfast.runs set suspend_requested_at = coalesce(suspend_requested_at, v_now) where id = p_run_id;
    elsif r.state in ('Delayed', 'Queued', 'Waiting', 'Backoff') then
        update holdfast.runs set
            state = 'Suspended', suspended_from = case when r.state = 'Backoff' then 'Queued' else r.state end,
            suspended_at = v_now
        where id = p_run_id and state = r.state;
        return 'Suspended';
    elsif r.state <> 'Suspended' then
        perform holdfast.refuse('HF005', format('a run in state %s cannot be suspended', r.state));
    end if;
    return r.state;
end
$$;

create or replace function holdfast.unsuspend_run(p_run_id uuid) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    r holdfast.runs;
    v_now timestamptz := holdfast.now();
begin
    select * into r from holdfast.runs where id = p_run_id for update;
    if r.id is null then
        perform holdfast.refuse('HF002', format('no run %s', p_run_id));
    elsif r.state = 'Suspended' then
        update holdfast.runs set
            state = r.suspended_from,
            queued_at = case when r.suspended_from = 'Queued' then coalesce(queued_at, v_now) else queued_at end,
            -- a suspended run's deadline does not run on
            run_deadline_at = run_deadline_at + (v_now - r.suspended_at),
            suspended_from = null, suspended_at = null, suspend_requested_at = null
        where id = p_run_id and state = 'Suspended';
        return r.suspended_from;
    elsif r.suspend_requested_at is not null then
        update holdfast.runs set suspend_requested_at = null where id = p_run_id;
    end if;
    return r.state;
end
$$;

-- A dead letter goes on from its failed step, with fresh counters; what succeeded stays recorded. One with steps that are
-- left undone goes on with compensating them.
create or replace function holdfast.resume_run(p_run_id uuid) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    r holdfast.runs;
begin
    select * into r from holdfast.runs where id = p_run_id for update;
    if r.id is null then
        perform holdfast.refuse('HF002', format('no run %s', p_run_id));
    elsif r.state not in ('Failed', 'TimedOut') then
        perform holdfast.refuse('HF005', format('only a dead letter can be resumed; run %s is %s', p_run_id, r.state),
            case when r.state in ('Succeeded', 'Canceled', 'Expired') then 'start a new run with the same input: holdfast runs replay'
                 when r.state = 'Suspended' then 'unsuspend it' end);
    elsif (r.closing ->> 'compensates')::boolean and not r.closing ? 'undone' then
        perform holdfast.refuse('HF005', format('run %s was compensated: what it did is undone', p_run_id),
            'start a new run with the same input: holdfast runs replay');
    end if;
    -- a closing that called hooks and no more is over; another end has its own
    r.closing := case when r.closing ? 'undone' then r.closing - 'undone' end;
    update holdfast.steps set outcome = 'Retrying', tries = 0
    where r.closing is not null and run_id = p_run_id and kind = 'compensation' and outcome in ('Failed', 'Canceled');
    update holdfast.runs set
        state = 'Queued', queued_at = coalesce(queued_at, holdfast.now()), finished_at = null, discarded_at = null,
        failures = case when r.closing is null then 0 else failures end, failures_since_progress = 0, disruptions = 0,
        due_at = null, expire_at = null,
        run_deadline_at = null, pending_deadline_at = null, cancel_requested_at = null, suspend_requested_at = null,
        closing = r.closing, reason = r.closing ->> 'reason', message = r.closing ->> 'message',
        error = case when r.closing is not null then error end
    where id = p_run_id and state = r.state;
    return 'Queued';
end
$$;

-- A new run with the same program and input. Idempotency key and name stay with the old one.
create or replace function holdfast.replay_run(p_run_id uuid, out run_id uuid, out run_name text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    r holdfast.runs;
begin
    select * into r from holdfast.runs where id = p_run_id;
    if r.id is null then
        perform holdfast.refuse('HF002', format('no run %s', p_run_id));
    end if;
    select t.run_id, t.run_name into run_id, run_name
    from holdfast.trigger_run(r.namespace, r.task, r.input, jsonb_strip_nulls(jsonb_build_object(
        'queue', r.queue, 'entrypoint', r.entrypoint, 'priority', r.priority, 'concurrency_key', r.concurrency_key,
        'tags', to_jsonb(r.tags), 'max_attempts', r.max_attempts, 'backoff_seconds', r.backoff_seconds,
        'max_backoff_seconds', r.max_backoff_seconds, 'multiplier_percent', r.multiplier_percent,
        'disruption_limit', r.disruption_limit, 'active_deadline_seconds', r.run_deadline_seconds,
        'attempt_deadline_seconds', r.attempt_deadline_seconds,
        'pending_deadline_seconds', r.pending_deadline_seconds, 'lease_seconds', r.lease_seconds,
        'ttl_seconds', r.ttl_seconds, 'hooks', to_jsonb(r.hooks), 'template', r.template, 'launcher', r.launcher, 'replay_of', r.id))) as t;
end
$$;

-- A new run that goes on as if this one had died before it recorded the step p_key: with the same program and input, and
-- with everything that was recorded before that step. No attempt of the new run has recorded it, so it counts as attempt 0.
create or replace function holdfast.fork_run(
    p_run_id uuid, p_key text, out run_id uuid, out run_name text, out kept_steps integer
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    v_sequence integer;
    v_undone text;
begin
    select s.sequence into v_sequence from holdfast.steps s where s.run_id = p_run_id and s.key = p_key;
    if v_sequence is null then
        perform holdfast.refuse('HF002', format('run %s has recorded no step %s', p_run_id, p_key));
    end if;
    select min(s.key) into v_undone
    from holdfast.steps s
    join holdfast.steps c on c.run_id = p_run_id and c.key = 'closing/' || s.key || '/compensate#1' and c.outcome = 'Succeeded'
    where s.run_id = p_run_id and s.sequence < v_sequence;
    if v_undone is not null then
        perform holdfast.refuse('HF005', format('step %s of run %s, which would be kept, was undone', v_undone, p_run_id),
            'fork it from that step or an earlier one, or start a new run with the same input: holdfast runs replay');
    end if;
    select r.run_id, r.run_name into run_id, run_name from holdfast.replay_run(p_run_id) r;
    insert into holdfast.steps (
        run_id, key, sequence, position, attempt, tries, recorded_at, elapsed_ms, kind, outcome, name, input_digest, value
    )
    select fork_run.run_id, s.key, s.sequence, s.position, 0, s.tries, s.recorded_at, s.elapsed_ms, s.kind, s.outcome,
           s.name, s.input_digest, s.value
    from holdfast.steps s where s.run_id = p_run_id and s.sequence < v_sequence
      -- what the older run did is undone by that run alone, and its end was told
      and s.kind not in ('compensable', 'replaced') and not starts_with(s.key, 'closing/');
    get diagnostics kept_steps = row_count;
    -- which branch is which depends on it
    update holdfast.runs n set python_version = r.python_version
    from holdfast.runs r where n.id = fork_run.run_id and r.id = p_run_id;
end
$$;

-- Decide that a dead letter needs no further action: it leaves the dead letters and stays in the list of runs.
create or replace function holdfast.discard_run(p_run_id uuid) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    r holdfast.runs;
begin
    select * into r from holdfast.runs where id = p_run_id for update;
    if r.id is null then
        perform holdfast.refuse('HF002', format('no run %s', p_run_id));
    elsif r.state not in ('Failed', 'TimedOut') then
        perform holdfast.refuse('HF005', format('only a dead letter can be discarded; run %s is %s', p_run_id, r.state));
    end if;
    update holdfast.runs set discarded_at = coalesce(discarded_at, holdfast.now()) where id = p_run_id;
    perform holdfast.dismiss_followers(p_run_id);
    perform pg_notify('holdfast', r.state || ' ' || p_run_id);
    return r.state;
end
$$;
