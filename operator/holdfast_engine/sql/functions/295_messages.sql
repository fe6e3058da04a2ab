-- Send a signal to a run of the same namespace, by its id or its name: once for each place of the program. Returns 'Sent'; or
-- why it was not: 'Unknown', or the final state of the run.
create or replace function holdfast_v1.send_signal(
    p_run_id uuid, p_attempt integer, p_session bytea, p_place uuid, p_to text, p_name text, p_value text
) returns text
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_namespace text;
    v_id uuid := holdfast.token_id(p_run_id, p_place);
    r record;
begin
    select x.namespace into v_namespace from holdfast.runs x
    where x.id = p_run_id and x.attempt = p_attempt and x.session_hash = sha256(p_session);
    if not found then
        perform holdfast.refuse_fenced(p_run_id, p_attempt);
    end if;
    -- the one before died too early: whatever became of the run since, the signal was sent
    if exists (select from holdfast.signals m where m.id = v_id) then
        return 'Sent';
    end if;
    select x.id, x.state, x.finished_at into r from holdfast.runs x
    where x.namespace = v_namespace and x.name = p_to
       or x.namespace = v_namespace
          and x.id = case when p_to ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then p_to::uuid end
    order by x.name = p_to limit 1;
    if r.id is null then
        return 'Unknown';
    elsif r.finished_at is not null then
        return r.state;
    end if;
    perform holdfast.send_signal(r.id, p_name, p_value, v_id);
    return 'Sent';
end
$$;

-- Publish an event in the run's namespace, once for each place of the program. Returns its id.
create or replace function holdfast_v1.publish_event(
    p_run_id uuid, p_attempt integer, p_session bytea, p_place uuid, p_name text, p_value text, p_key text
) returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_namespace text;
begin
    select r.namespace into v_namespace from holdfast.runs r
    where r.id = p_run_id and r.attempt = p_attempt and r.session_hash = sha256(p_session);
    if not found then
        perform holdfast.refuse_fenced(p_run_id, p_attempt);
    end if;
    return holdfast.publish_event(v_namespace, p_name, p_value, p_key, holdfast.token_id(p_run_id, p_place));
end
$$;
