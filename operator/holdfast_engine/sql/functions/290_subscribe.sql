-- Begin to wait for the next signal of a name, or for an event: one that is published from now on, or was so many seconds ago.
-- Returns the subject to wait for, the same for the same place. What it was given before it is given again, for an attempt may
-- die between taking and recording; but a wait that has timed out and is tried again has its whole time again.
create or replace function holdfast_v1.subscribe(
    p_run_id uuid, p_attempt integer, p_session bytea,
    p_place uuid, p_step_key text, p_sequence integer, p_kind text, p_name text, p_match text,
    p_timeout_seconds double precision, p_look_back_seconds double precision
) returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    c_subscriptions_limit constant integer := 1000; -- contract/limits.py: SUBSCRIPTIONS_PER_RUN_LIMIT
    v_namespace text;
    v_now timestamptz := holdfast.now();
    v_id uuid := holdfast.token_id(p_run_id, p_place);
    v_match jsonb := p_match::jsonb;
    s holdfast.subscriptions;
begin
    -- as `record` does: a newer attempt waits, while the fence below holds
    perform pg_advisory_xact_lock_shared(uuid_hash_extended(p_run_id, 0));
    select r.namespace into v_namespace from holdfast.runs r
    where r.id = p_run_id and r.attempt = p_attempt and r.session_hash = sha256(p_session);
    if not found then
        perform holdfast.refuse_fenced(p_run_id, p_attempt);
    elsif p_kind = 'event' then
        perform pg_advisory_xact_lock(hashtextextended(v_namespace || '/' || p_name, 2));
    else
        perform pg_advisory_xact_lock(uuid_hash_extended(p_run_id, 1));
    end if;
    -- a minute later, because what is recorded of a cancellation comes just behind the success
    update holdfast.subscriptions x set is_recorded = true
    from holdfast.steps t
    where x.run_id = p_run_id and not x.is_recorded and x.id <> v_id
      and t.run_id = p_run_id and t.key = x.step_key and (t.attempt, t.sequence) > (x.attempt, x.sequence)
      and t.outcome in ('Succeeded', 'Failed')
      and t.recorded_at < v_now - interval '1 minute';

    select * into s from holdfast.subscriptions x where x.id = v_id for update;
    if (s.kind, s.name, s.match) is distinct from (p_kind, p_name, v_match) then
        -- another version of the program asks for something else
        delete from holdfast.subscriptions x where x.id = v_id;
        update holdfast.signals m set is_taken = false where m.id = s.message_id and s.kind = 'signal';
    elsif s.outcome is distinct from 'Completed' and exists (
        select from holdfast.steps t
        where t.run_id = p_run_id and t.key = p_step_key and (t.attempt, t.sequence) > (s.attempt, s.sequence))
    then
        delete from holdfast.subscriptions x where x.id = v_id;
    end if;
    if (select count(*) from holdfast.subscriptions x
        where x.run_id = p_run_id and not x.is_recorded and x.outcome is null and x.id <> v_id) >= c_subscriptions_limit
    then
        perform holdfast.refuse('HF006',
            format('the run waits for %s signals and events, the most that one run may', c_subscriptions_limit));
    end if;
    insert into holdfast.subscriptions (
        id, run_id, namespace, kind, name, match, match_field, step_key, attempt, sequence, expires_at
    ) values (
        v_id, p_run_id, v_namespace, p_kind, p_name, v_match,
        -- the longest is most likely the one that few share
        coalesce((select f.digest from holdfast.field_digests(v_match) f order by f.size desc, f.digest limit 1), ''),
        p_step_key, p_attempt, p_sequence, v_now + make_interval(secs => p_timeout_seconds)
    )
    on conflict (id) do update set attempt = excluded.attempt, sequence = excluded.sequence, is_recorded = false;
    if p_kind = 'signal' then
        perform holdfast.deliver_signals(p_run_id);
    elsif p_look_back_seconds > 0 then
        update holdfast.subscriptions x set outcome = 'Completed', message_id = e.id
        from (
            select y.id from holdfast.events y
            where y.namespace = v_namespace and y.name = p_name
              and y.published_at >= v_now - make_interval(secs => p_look_back_seconds)
              and (v_match is null or y.value::jsonb @> v_match)
            order by y.published_at, y.number limit 1) e
        where x.id = v_id and x.outcome is null;
    end if;
    return v_id;
end
$$;
