-- Generated from domain/states.py by `make generate`: do not edit.
-- Refuses every change of state that the table does not list, and announces every change that it lets through.
create or replace function holdfast.check_transition() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'UPDATE' and not exists (
        select from (values
            ('Delayed', 'Queued'),
            ('Delayed', 'Expired'),
            ('Delayed', 'Canceled'),
            ('Delayed', 'Suspended'),
            ('Queued', 'Starting'),
            ('Queued', 'Expired'),
            ('Queued', 'Canceled'),
            ('Queued', 'Suspended'),
            ('Queued', 'TimedOut'),
            ('Queued', 'Queued'),
            ('Starting', 'Running'),
            ('Starting', 'Backoff'),
            ('Starting', 'Failed'),
            ('Starting', 'Canceling'),
            ('Starting', 'Canceled'),
            ('Starting', 'Expired'),
            ('Starting', 'Suspended'),
            ('Starting', 'TimedOut'),
            ('Running', 'Succeeded'),
            ('Running', 'Failed'),
            ('Running', 'Backoff'),
            ('Running', 'Waiting'),
            ('Running', 'Canceling'),
            ('Running', 'Canceled'),
            ('Running', 'Expired'),
            ('Running', 'Suspended'),
            ('Running', 'TimedOut'),
            ('Waiting', 'Queued'),
            ('Waiting', 'Canceled'),
            ('Waiting', 'Suspended'),
            ('Waiting', 'TimedOut'),
            ('Backoff', 'Queued'),
            ('Backoff', 'Canceled'),
            ('Backoff', 'Suspended'),
            ('Backoff', 'TimedOut'),
            ('Suspended', 'Queued'),
            ('Suspended', 'Delayed'),
            ('Suspended', 'Waiting'),
            ('Suspended', 'Canceled'),
            ('Canceling', 'Canceled'),
            ('Canceling', 'Succeeded'),
            ('Canceling', 'TimedOut'),
            ('Canceling', 'Backoff'),
            ('Failed', 'Queued'),
            ('TimedOut', 'Queued')
        ) as allowed (old_state, new_state)
        where old_state = old.state and new_state = new.state)
    then
        perform holdfast.refuse('HF005', format('run %s cannot go from %s to %s', new.id, old.state, new.state));
    end if;
    perform pg_notify('holdfast', new.state || ' ' || new.id);
    return new;
end
$$;

create or replace trigger runs_state_changed before update of state on holdfast.runs
for each row when (old.state is distinct from new.state) execute function holdfast.check_transition();

create or replace trigger runs_accepted before insert on holdfast.runs
for each row execute function holdfast.check_transition();
