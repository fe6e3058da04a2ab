-- What time alone does to runs. The engine reads due rows, decides in Python which rule applies, and calls these;
-- each names the state it expects, so a decision that came too late changes nothing.

create or replace function holdfast.queue_due_runs(p_run_ids uuid[]) returns integer
language sql
set search_path = pg_catalog, pg_temp
as $$
    with queued as (
        update holdfast.runs set
            state = 'Queued', queued_at = coalesce(queued_at, holdfast.now()), due_at = null, wait_kind = null
        where id = any(p_run_ids) and state in ('Delayed', 'Backoff', 'Waiting') and due_at <= holdfast.now()
        returning 1
    )
    select count(*)::integer from queued
$$;

create or replace function holdfast.expire_runs(p_run_ids uuid[]) returns integer
language sql
set search_path = pg_catalog, pg_temp
as $$
    with expired as materialized (
        select r.id, m.message, holdfast.closing_of(r, 'Expired', 'Expired', m.message) as closing
        from holdfast.runs r
        cross join lateral (
            select format('not started by %s', to_char(r.expire_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
        ) m (message)
        where r.id = any(p_run_ids) and r.state in ('Delayed', 'Queued') and r.expire_at <= holdfast.now()
        order by r.id
        for update of r
    ), ended as (
        update holdfast.runs r set
            state = 'Expired', finished_at = holdfast.now(), reason = 'Expired', message = expired.message
        from expired where r.id = expired.id and expired.closing is null
        returning 1
    )
    select (select count(*) from ended)::integer
        + count(holdfast.begin_closing(expired.id, expired.closing))::integer
    from expired where expired.closing is not null
$$;

-- The deadline of the whole run has passed. A running attempt is fenced at once; the engine stops its process.
create or replace function holdfast.time_out_run(p_run_id uuid) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    r holdfast.runs;
    v_now timestamptz := holdfast.now();
    v_closing jsonb;
begin
    -- what is being recorded at this moment is seen below, and nothing is after that
    perform pg_advisory_xact_lock(uuid_hash_extended(p_run_id, 0));
    select * into r from holdfast.runs where id = p_run_id for update;
    if r.state not in ('Queued', 'Starting', 'Running', 'Waiting', 'Backoff', 'Canceling')
        or (r.run_deadline_at <= v_now) is not true
    then
        return r.state;
    end if;
    update holdfast.attempts set
        ended_at = v_now, outcome = 'Failed', class = 'Deadline', reason = 'RunDeadlineExceeded',
        message = format('the run had %s seconds', r.run_deadline_seconds)
    where run_id = p_run_id and number = r.attempt and ended_at is null;
    v_closing := holdfast.closing_of(r, 'TimedOut', 'RunDeadlineExceeded',
        format('not finished within %s seconds of its first start', r.run_deadline_seconds));
    if v_closing is not null then
        return holdfast.begin_closing(p_run_id, v_closing);
    end if;
    update holdfast.runs set
        state = 'TimedOut', finished_at = v_now, session_hash = null, lease_expires_at = null,
        attempt_deadline_at = null, pending_deadline_at = null, reason = 'RunDeadlineExceeded',
        message = format('not finished within %s seconds of its first start', r.run_deadline_seconds)
    where id = p_run_id and state = r.state;
    return 'TimedOut';
end
$$;
