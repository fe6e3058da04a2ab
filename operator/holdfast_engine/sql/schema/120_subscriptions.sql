-- What a run waits for by name: a signal, or an event. Its id follows from the place in the program, so an attempt that asks
-- again finds what the one before was given.
create table holdfast.subscriptions (
    id uuid primary key,
    run_id uuid not null,
    namespace text not null,
    kind text not null check (kind in ('signal', 'event')),
    name text not null check (length(name) between 1 and 200),
    -- what an event must contain; null: any
    match jsonb,
    -- digest of one field of it, by which an event finds those that may fit; '' if it has none
    match_field text not null default '',
    -- the step that waits, the attempt that asked last, and the last record of the run when it did: a later record of the step
    -- says that it is over
    step_key text collate "C" not null check (length(step_key) <= 1000),
    attempt integer not null,
    sequence integer not null,
    is_recorded boolean not null default false,
    -- who began to wait first gets the first signal
    number bigint generated always as identity,
    expires_at timestamptz,
    outcome text check (outcome in ('Completed', 'TimedOut')),
    -- the signal or the event that it got
    message_id uuid,
    constraint subscriptions_message_only_of_completed check ((message_id is not null) = (outcome is not distinct from 'Completed'))
);

create index subscriptions_by_run on holdfast.subscriptions (run_id, is_recorded);
create index subscriptions_to_events on holdfast.subscriptions (namespace, name, match_field)
    where kind = 'event' and outcome is null;
create index subscriptions_by_event on holdfast.subscriptions (message_id) where kind = 'event' and message_id is not null;
