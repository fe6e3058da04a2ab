-- What is known of these subjects, tokens, runs that this run has triggered, and its waits for signals and events: an outcome
-- (with a value or an error) once resolved, else the seconds until it times out, if it does. What does not exist for this run
-- is left out. A token or a wait whose time has passed is resolved by whoever looks first.
create or replace function holdfast_v1.look(p_run_id uuid, p_attempt integer, p_session bytea, p_subjects uuid[])
returns table (subject uuid, outcome text, value text, message text, remaining_seconds double precision)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_namespace text;
    v_now timestamptz := holdfast.now();
begin
    select r.namespace into v_namespace from holdfast.runs r
    where r.id = p_run_id and r.attempt = p_attempt and r.session_hash = sha256(p_session);
    if not found then
        perform holdfast.refuse_fenced(p_run_id, p_attempt);
    end if;
    update holdfast.tokens t set resolved_at = v_now, outcome = 'TimedOut'
    where t.id = any(p_subjects) and t.namespace = v_namespace and t.outcome is null and t.expires_at <= v_now;
    perform holdfast.settle_subscriptions(p_run_id);
    update holdfast.subscriptions s set outcome = 'TimedOut'
    where s.id = any(p_subjects) and s.run_id = p_run_id and s.outcome is null and s.expires_at <= v_now;
    return query
    select t.id, t.outcome, t.value, null::text, extract(epoch from t.expires_at - v_now)::double precision
    from holdfast.tokens t
    where t.id = any(p_subjects) and t.namespace = v_namespace;
    return query
    select s.id, s.outcome,
        case s.kind when 'signal' then (select m.value from holdfast.signals m where m.id = s.message_id)
                    else (select e.value from holdfast.events e where e.id = s.message_id) end,
        null::text, extract(epoch from s.expires_at - v_now)::double precision
    from holdfast.subscriptions s
    where s.id = any(p_subjects) and s.run_id = p_run_id;
    return query
    select r.id, case when r.finished_at is not null then r.state end,
        case when r.state = 'Succeeded' then r.result when r.finished_at is not null then r.error end,
        case when r.finished_at is not null then r.message end, null::double precision
    from holdfast.runs r
    where r.id = any(p_subjects)
      and exists (select from holdfast.children c where c.child_id = r.id and c.parent_id = p_run_id);
end
$$;
