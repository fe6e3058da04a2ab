-- Whether a run that has ended may still be asked for something: for its result by the run that has triggered it, or for one
-- of its tokens by a run that waits for that.
create or replace function holdfast.is_needed(p_run_id uuid) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select from holdfast.children c join holdfast.runs p on p.id = c.parent_id
        where c.child_id = p_run_id
          -- a dead letter may be resumed
          and (p.finished_at is null or p.state in ('Failed', 'TimedOut') and p.discarded_at is null))
    or exists (
        select from holdfast.tokens t join holdfast.waits w on w.subject = t.id join holdfast.runs x on x.id = w.run_id
        where t.run_id = p_run_id and x.finished_at is null)
$$;

-- Nobody will ask for the results of the runs that follow this one any more: they are to be canceled.
create or replace function holdfast.dismiss_followers(p_run_id uuid) returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
    insert into holdfast.ended_parents (run_id)
    select p_run_id where exists (select from holdfast.children c where c.parent_id = p_run_id and c.follows)
    on conflict do nothing
$$;

-- A run has ended: whoever waits for it goes on, and if it was canceled, those that follow it are to be canceled, too. The
-- children of a dead letter go on: it may be resumed, and asks for their results again.
create or replace function holdfast.tell_family() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (select from holdfast.children c where c.child_id = new.id) then
        perform holdfast.wake_waiters(new.id);
    end if;
    if new.state = 'Canceled' then
        perform holdfast.dismiss_followers(new.id);
    end if;
    return null;
end
$$;

create or replace trigger runs_finished after update of finished_at on holdfast.runs
for each row when (old.finished_at is null and new.finished_at is not null) execute function holdfast.tell_family();

-- Cancel one follower of an ended parent. Returns its id; null when there is none left. One at a time, so that a child that
-- ends at the same moment, and tells its parent, is not waited for while other rows are locked.
create or replace function holdfast.cancel_follower(p_grace_seconds double precision default 30) returns uuid
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    v_parent_id uuid;
    v_child_id uuid;
begin
    loop
        select p.run_id into v_parent_id from holdfast.ended_parents p limit 1 for update skip locked;
        if v_parent_id is null then
            return null;
        end if;
        -- so that none of them is looked at again by the next call
        update holdfast.children c set follows = false from holdfast.runs r
        where c.parent_id = v_parent_id and c.follows and r.id = c.child_id
          and (r.finished_at is not null or r.state = 'Canceling' or r.closing is not null);
        select c.child_id into v_child_id
        from holdfast.children c join holdfast.runs r on r.id = c.child_id join holdfast.runs p on p.id = c.parent_id
        where c.parent_id = v_parent_id and c.follows
          -- a parent that was resumed meanwhile still wants them
          and p.finished_at is not null
        limit 1;
        if v_child_id is not null then
            perform holdfast.cancel_run(v_child_id, p_grace_seconds);
            return v_child_id;
        end if;
        delete from holdfast.ended_parents p where p.run_id = v_parent_id;
    end loop;
end
$$;
