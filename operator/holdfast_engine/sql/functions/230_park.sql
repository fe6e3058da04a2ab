-- Leave without an end: the run waits for its time (kind 'timer', after so many seconds) or until something outside is
-- resolved (kinds 'token', 'child', 'signal' and 'event', with the time as a limit if there is one; subjects of one group are
-- waited for together), goes on at once in another attempt (kind
-- 'handover'), or stays until someone unsuspends it (kind 'suspend'). A run that is being canceled ends here instead.
-- Slot and lease are free on return.
create or replace function holdfast_v1.park(
    p_run_id uuid, p_attempt integer, p_session bytea, p_kind text, p_wake_after_seconds double precision,
    p_subjects uuid[] default '{}', p_groups integer[] default '{}'
) returns text
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    r holdfast.runs;
    v_now timestamptz := holdfast.now();
    v_state text;
    v_due timestamptz := v_now + make_interval(secs => coalesce(p_wake_after_seconds, case when p_kind not in ('token', 'child', 'signal', 'event') then 0 end));
begin
    -- as `end_attempt` does, which needs it before the run's row
    perform pg_advisory_xact_lock(uuid_hash_extended(p_run_id, 0));
    perform holdfast.settle_subscriptions(p_run_id);
    -- whoever resolves a subject locks it before the runs that wait for it: so nobody can do it between here and the end
    perform from holdfast.tokens t where t.id = any(p_subjects) order by t.id for share;
    perform from holdfast.subscriptions s where s.id = any(p_subjects) and s.run_id = p_run_id order by s.id for share;
    perform from holdfast.runs c
    where c.id in (select k.child_id from holdfast.children k where k.parent_id = p_run_id and k.child_id = any(p_subjects))
    order by c.id for share;
    select * into r from holdfast.runs where id = p_run_id for update;
    if (r.attempt = p_attempt and r.session_hash = sha256(p_session)) is not true then
        -- the answer of the first call may have been lost
        if r.attempt = p_attempt and exists (
            select from holdfast.attempts a where a.run_id = p_run_id and a.number = p_attempt
                and a.outcome in ('Parked', 'Suspended') and a.session_hash = sha256(p_session))
        then
            return r.state;
        end if;
        perform holdfast.refuse_fenced(p_run_id, p_attempt);
    elsif (p_kind in ('timer', 'token', 'child', 'signal', 'event', 'handover', 'suspend')) is not true then
        perform holdfast.refuse('HF005', format('unknown kind of wait %s', quote_literal(p_kind)));
    elsif r.state = 'Canceling' then
        return holdfast.end_attempt(p_run_id, p_attempt, 'App', 'Canceled', 'canceled when it was about to wait');
    end if;
    v_state := case when p_kind = 'suspend' or r.suspend_requested_at is not null then 'Suspended' else 'Waiting' end;
    delete from holdfast.waits w where w.run_id = p_run_id;
    insert into holdfast.waits (subject, run_id, group_number)
    select distinct given.subject, p_run_id, given.group_number from unnest(p_subjects, p_groups) as given (subject, group_number)
    where exists (select from holdfast.tokens t where t.id = given.subject and t.namespace = r.namespace and t.outcome is null)
       or exists (select from holdfast.children k join holdfast.runs c on c.id = k.child_id
                  where k.child_id = given.subject and k.parent_id = p_run_id and c.finished_at is null)
       or exists (select from holdfast.subscriptions s where s.id = given.subject and s.run_id = p_run_id and s.outcome is null);
    -- a group without an open subject is ready
    if exists (
        select from unnest(p_groups) as given (number)
        where not exists (select from holdfast.waits w where w.run_id = p_run_id and w.group_number = given.number))
    then
        v_due := v_now;
    end if;
    update holdfast.attempts set
        ended_at = v_now, outcome = case when v_state = 'Suspended' then 'Suspended' else 'Parked' end, reason = p_kind
    where run_id = p_run_id and number = p_attempt;
    update holdfast.runs set
        state = v_state,
        wait_kind = case when p_kind <> 'suspend' then p_kind end,
        due_at = case when p_kind <> 'suspend' then v_due end,
        suspended_from = case when v_state = 'Suspended' then case when p_kind in ('handover', 'suspend') then 'Queued' else 'Waiting' end end,
        suspended_at = case when v_state = 'Suspended' then v_now end,
        suspend_requested_at = null,
        -- to wait is no progress of a closing, which ends by nothing else
        failures_since_progress = case when r.closing is null then 0 else failures_since_progress end,
        session_hash = null, lease_expires_at = null, attempt_deadline_at = null
    where id = p_run_id and state = 'Running';
    return v_state;
end
$$;
