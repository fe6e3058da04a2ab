-- A subject, a token or a run, is resolved: let the runs go on that were parked for nothing else, and tell those that wait
-- for it in a process. Locks are taken in the order subject, then run: so `park` cannot miss what is resolved while it
-- works. Each waiting run's row is locked before its waits are counted, or two subjects that are resolved at the same
-- time would each leave the last word to the other.
create or replace function holdfast.wake_waiters(p_subject uuid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    v_now timestamptz := holdfast.now();
    v_waiting uuid[];
    v_ready uuid[];
begin
    -- with the snapshot of a longer transaction a run that has parked meanwhile would not be seen, and wait for ever
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        perform holdfast.refuse('HF005',
            format('who waits for %s is only seen at the isolation level read committed, this transaction is %s',
                p_subject, current_setting('transaction_isolation')),
            'begin it with: isolation level read committed');
    end if;
    select array_agg(locked.id) into v_waiting from (
        select r.id from holdfast.runs r
        where r.id in (select w.run_id from holdfast.waits w where w.subject = p_subject)
        order by r.id for update) locked;
    if v_waiting is not null then
        with resolved as (delete from holdfast.waits w where w.subject = p_subject returning w.run_id, w.group_number)
        select array_agg(distinct resolved.run_id) into v_ready from resolved
        where not exists (
            select from holdfast.waits w
            where w.run_id = resolved.run_id and w.group_number = resolved.group_number and w.subject <> p_subject);
        update holdfast.runs r set
            state = case when r.state = 'Waiting' then 'Queued' else r.state end,
            queued_at = case when r.state = 'Waiting' then coalesce(r.queued_at, v_now) else r.queued_at end,
            wait_kind = case when r.state = 'Waiting' then null else r.wait_kind end,
            -- a suspended run goes on as soon as somebody unsuspends it
            due_at = case when r.state = 'Waiting' then null else v_now end
        where r.id = any(v_ready) and (r.state = 'Waiting' or (r.state = 'Suspended' and r.suspended_from = 'Waiting'));
    end if;
    perform pg_notify('holdfast_' || p_subject, '');
end
$$;
