-- Events: facts that are published by name, for whoever in the namespace has subscribed.

-- One digest for each field of an object that is a text, a number, a boolean or null: equal fields have equal digests.
create or replace function holdfast.field_digests(p_value jsonb) returns table (digest text, size integer)
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select encode(sha256(convert_to(field.key || '=' || field.shown, 'UTF8')), 'hex'), length(field.shown)
    from (
        select f.key, case jsonb_typeof(f.value)
            when 'number' then trim_scale((f.value #>> '{}')::numeric)::text else f.value::text end
        from jsonb_each(case when jsonb_typeof(p_value) = 'object' then p_value else '{}' end) f
        where jsonb_typeof(f.value) not in ('object', 'array')
    ) field (key, shown)
$$;

-- An event is published: all that wait for it get it, at the end of the transaction. A run that begins to wait holds the lock
-- of the name alone for a moment, so it is either seen here, or has seen the event. Waits are taken in the order of their runs,
-- or two events for the same runs could wait for each other.
create or replace function holdfast.event_published() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_now timestamptz := holdfast.now();
    v_value jsonb := new.value::jsonb;
    v_fields text[] := array(select digest from holdfast.field_digests(v_value));
    v_subscription_ids uuid[];
    v_subscription_id uuid;
begin
    perform pg_advisory_xact_lock_shared(hashtextextended(new.namespace || '/' || new.name, 2));
    -- all of them before the first run: `park` locks its subscription, then the runs that it waits for
    v_subscription_ids := array(
        select s.id from holdfast.subscriptions s
        where s.kind = 'event' and s.namespace = new.namespace and s.name = new.name and s.outcome is null
          and s.match_field = any(v_fields || ''::text) and (s.match is null or v_value @> s.match)
          and (s.expires_at is null or s.expires_at > v_now)
        order by s.run_id, s.id for update);
    update holdfast.subscriptions s set outcome = 'Completed', message_id = new.id where s.id = any(v_subscription_ids);
    foreach v_subscription_id in array v_subscription_ids loop
        perform holdfast.wake_waiters(v_subscription_id);
    end loop;
    return null;
end
$$;

do $$
begin
    if not exists (select from pg_trigger where tgrelid = 'holdfast.events'::regclass and tgname = 'events_published') then
        create constraint trigger events_published after insert on holdfast.events
        deferrable initially deferred for each row execute function holdfast.event_published();
    end if;
end
$$;

-- Publish an event, with a value that is JSON text, and return its id. One key in a namespace and name is one event: the first
-- write stands, the same again changes nothing, and another value is refused.
create or replace function holdfast.publish_event(
    p_namespace text, p_name text, p_value text default 'null', p_key text default null, p_event_id uuid default null
) returns uuid
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    c_key_limit constant integer := 500; -- contract/limits.py: EVENT_KEY_LIMIT
    v_id uuid := coalesce(p_event_id, holdfast.new_id());
    e holdfast.events;
begin
    perform holdfast.check_message(p_name, p_value);
    if p_key is not null and length(p_key) not between 1 and c_key_limit then
        perform holdfast.refuse('HF006', format('the key has %s characters, and needs 1 to %s', length(p_key), c_key_limit));
    end if;
    begin
        perform p_value::jsonb;
    exception when untranslatable_character or numeric_value_out_of_range then
        perform holdfast.refuse('HF004', format('the value cannot be compared: %s', sqlerrm), 'send it as another type');
    end;
    insert into holdfast.events (id, namespace, name, key, value, published_at)
    values (v_id, p_namespace, p_name, p_key, p_value, holdfast.now())
    on conflict do nothing returning * into e;
    if e.id is null then
        select * into e from holdfast.events x
        where x.id = v_id or x.namespace = p_namespace and x.name = p_name and x.key = p_key;
        if e.id <> v_id and e.value <> p_value then
            perform holdfast.refuse('HF004',
                format('event %s with key %s was published with another value at %s',
                    quote_literal(p_name), quote_literal(e.key), e.published_at));
        end if;
    end if;
    return e.id;
end
$$;
