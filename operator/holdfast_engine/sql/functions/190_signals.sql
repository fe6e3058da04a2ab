-- Signals: messages to one run, kept until it takes them.

-- Waits of a run that were canceled: what they have got belongs to the next. A record of their step that was there before they
-- began (of a try that failed) says nothing.
create or replace function holdfast.canceled_subscriptions(p_run_id uuid) returns setof uuid
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select s.id from holdfast.subscriptions s
    where s.run_id = p_run_id and not s.is_recorded and exists (
        select from holdfast.steps t
        -- runtime/history.py: CANCEL_MARK
        where t.run_id = p_run_id and t.key in (s.step_key, s.step_key || '~canceled')
          and t.outcome = 'Canceled' and (t.attempt, t.sequence) > (s.attempt, s.sequence))
$$;

-- Give the signals of a run that nobody has taken to its waits, the oldest to the oldest, and wake it. Before that, what canceled
-- waits had taken comes back. One at a time per run, by a lock that comes before those of subjects and runs.
create or replace function holdfast.deliver_signals(p_run_id uuid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    v_now timestamptz := holdfast.now();
    v_subscription record;
    v_signal_id uuid;
begin
    perform pg_advisory_xact_lock(uuid_hash_extended(p_run_id, 1));
    with canceled as (
        delete from holdfast.subscriptions s
        where s.id in (select holdfast.canceled_subscriptions(p_run_id)) returning s.kind, s.step_key, s.message_id
    ), returned as (
        update holdfast.signals m set is_taken = false from canceled c where c.kind = 'signal' and m.id = c.message_id
    )
    -- canceled while its success was being recorded: if it is executed again, it must not find the signal there
    update holdfast.steps t set outcome = 'Retrying', tries = 0, value = null from canceled c
    where c.kind = 'signal' and t.run_id = p_run_id and t.key = c.step_key and t.outcome = 'Succeeded';
    for v_subscription in
        select s.id, s.name from holdfast.subscriptions s
        where s.run_id = p_run_id and not s.is_recorded and s.kind = 'signal' and s.outcome is null
          and (s.expires_at is null or s.expires_at > v_now)
        order by s.number for update
    loop
        update holdfast.signals m set is_taken = true
        where m.id = (
            select n.id from holdfast.signals n
            where n.run_id = p_run_id and n.name = v_subscription.name and not n.is_taken order by n.number limit 1)
        returning m.id into v_signal_id;
        continue when v_signal_id is null;
        update holdfast.subscriptions s set outcome = 'Completed', message_id = v_signal_id where s.id = v_subscription.id;
        perform holdfast.wake_waiters(v_subscription.id);
    end loop;
end
$$;

-- Give back what canceled waits of a run had taken, if there is any.
create or replace function holdfast.settle_subscriptions(p_run_id uuid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (select from holdfast.canceled_subscriptions(p_run_id)) then
        perform holdfast.deliver_signals(p_run_id);
    end if;
end
$$;

-- Delivered at the end of the transaction that sends: so no run waits for a transaction of somebody else's application.
create or replace function holdfast.signal_sent() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform holdfast.deliver_signals(new.run_id);
    return null;
end
$$;

do $$
begin
    if not exists (select from pg_trigger where tgrelid = 'holdfast.signals'::regclass and tgname = 'signals_sent') then
        create constraint trigger signals_sent after insert on holdfast.signals
        deferrable initially deferred for each row execute function holdfast.signal_sent();
    end if;
end
$$;

-- What can be sent or published: JSON text of a bounded size, under a name of a bounded length.
create or replace function holdfast.check_message(p_name text, p_value text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    c_result_limit_bytes constant integer := 1048576; -- contract/limits.py: RESULT_LIMIT_BYTES
    c_name_limit constant integer := 200; -- contract/limits.py: MESSAGE_NAME_LIMIT
begin
    if (length(p_name) between 1 and c_name_limit) is not true then
        perform holdfast.refuse('HF006', format('the name has %s characters, and needs 1 to %s', length(p_name), c_name_limit));
    elsif octet_length(p_value) > c_result_limit_bytes then
        perform holdfast.refuse('HF006',
            format('the value is %s bytes of JSON, over the limit of %s bytes', octet_length(p_value), c_result_limit_bytes),
            'pass a reference to the data instead (a path, a key in object storage)');
    elsif position('"$holdfast"' in p_value) > 0 then
        perform holdfast.refuse('HF004', 'the value has a "$holdfast", which is reserved', 'use another key');
    elsif current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        perform holdfast.refuse('HF005',
            format('who waits for %s is only seen at the isolation level read committed, this transaction is %s',
                p_name, current_setting('transaction_isolation')),
            'begin it with: isolation level read committed');
    end if;
    perform json_typeof(p_value::json);
end
$$;

-- Send a signal, with a value that is JSON text, and return its id. The run gets it when it asks for the next signal of this name.
-- Sending it again with the same id changes nothing.
create or replace function holdfast.send_signal(
    p_run_id uuid, p_name text, p_value text default 'null', p_signal_id uuid default null
) returns uuid
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    c_buffered_limit constant integer := 1000; -- contract/limits.py: SIGNALS_PER_RUN_LIMIT
    v_id uuid := coalesce(p_signal_id, holdfast.new_id());
    v_state text;
    v_is_final boolean;
begin
    perform holdfast.check_message(p_name, p_value);
    if exists (select from holdfast.signals m where m.id = v_id and m.run_id = p_run_id) then
        return v_id;
    end if;
    select r.state, r.finished_at is not null into v_state, v_is_final from holdfast.runs r where r.id = p_run_id;
    if not found then
        perform holdfast.refuse('HF002', format('no run %s', p_run_id));
    elsif v_is_final then
        perform holdfast.refuse('HF005', format('run %s has ended as %s, and takes no signals', p_run_id, v_state),
            'a dead letter takes them again once it is resumed');
    elsif (select count(*) from holdfast.signals m where m.run_id = p_run_id and not m.is_taken) >= c_buffered_limit then
        perform holdfast.refuse('HF006',
            format('%s signals wait for run %s, the most that may', c_buffered_limit, p_run_id),
            'send it again when the run has taken some');
    end if;
    insert into holdfast.signals (id, run_id, name, value, sent_at)
    values (v_id, p_run_id, p_name, p_value, holdfast.now())
    on conflict do nothing;
    return v_id;
end
$$;
