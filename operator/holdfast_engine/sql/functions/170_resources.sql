-- What the operator does to runs that are a TaskRun in a cluster.

-- A resource of the same name was made again: the older run ends, and takes its id into its name. The whole id, because
-- names of runs from code have the end of it anyway.
create or replace function holdfast.release_name(p_run_id uuid) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    v_suffix text := '-' || p_run_id;
    v_state text;
begin
    update holdfast.runs set name = rtrim(left(name, 253 - length(v_suffix)), '-') || v_suffix
    where id = p_run_id and right(name, length(v_suffix)) <> v_suffix;
    select state into v_state from holdfast.runs where id = p_run_id;
    if v_state is null or v_state in ('Succeeded', 'Failed', 'TimedOut', 'Canceled', 'Expired') then
        return v_state;
    end if;
    return holdfast.cancel_run(p_run_id);
end
$$;

-- The TaskRun that was made for a run that was triggered from code. Returns the uid that the run has now, which is another
-- one if it had one before.
create or replace function holdfast.bind_resource(p_run_id uuid, p_resource_uid text) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    v_resource_uid text;
begin
    update holdfast.runs set resource_uid = coalesce(resource_uid, p_resource_uid)
    where id = p_run_id returning resource_uid into v_resource_uid;
    return v_resource_uid;
end
$$;

-- A command in an image without the SDK cannot open its attempt: whoever sees its container run does. Nobody renews its
-- lease, so it has one that does not end: its end is seen where its beginning was.
create or replace function holdfast.open_command(p_run_id uuid, p_attempt integer) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    r holdfast.runs;
    v_now timestamptz := holdfast.now();
    v_secret bytea := sha256(uuid_send(gen_random_uuid()));
begin
    select * into r from holdfast.runs where id = p_run_id for update;
    if r.id is null or r.attempt <> p_attempt or r.state <> 'Starting' or r.template ->> 'command' is null then
        return r.state;
    end if;
    -- who launched it may have died before saying so
    update holdfast.attempts set
        launched_at = coalesce(launched_at, v_now), opened_at = v_now, replayed_steps = 0, session_hash = v_secret
    where run_id = p_run_id and number = p_attempt;
    update holdfast.runs set
        state = 'Running', session_hash = v_secret, lease_expires_at = v_now + interval '100 years',
        pending_deadline_at = null,
        attempt_deadline_at = v_now + make_interval(secs => attempt_deadline_seconds)
    where id = p_run_id and state = 'Starting';
    return 'Running';
end
$$;

-- A command ended with exit code 0: its attempt, if it is still the current one, has succeeded.
create or replace function holdfast.finish_command(p_run_id uuid, p_attempt integer) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    r holdfast.runs;
    v_now timestamptz := holdfast.now();
begin
    perform holdfast.open_command(p_run_id, p_attempt);
    select * into r from holdfast.runs where id = p_run_id for update;
    if r.id is null or r.attempt <> p_attempt or r.state not in ('Running', 'Canceling') or r.template ->> 'command' is null then
        return r.state;
    end if;
    update holdfast.attempts set ended_at = v_now, outcome = 'Succeeded', exit_code = 0
    where run_id = p_run_id and number = p_attempt;
    update holdfast.runs set
        state = 'Succeeded', result = 'null', error = null, reason = 'Succeeded', message = null, finished_at = v_now,
        session_hash = null, lease_expires_at = null, attempt_deadline_at = null, due_at = null
    where id = p_run_id and state = r.state;
    return 'Succeeded';
end
$$;
