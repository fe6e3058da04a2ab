-- Signals and events: messages to one run, and facts for whoever subscribed.

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

-- Messages to one run, in the order of `number`. They are kept until the run is deleted.
create table holdfast.signals (
    id uuid primary key,
    run_id uuid not null,
    number bigint generated always as identity,
    name text not null check (length(name) between 1 and 200),
    value text not null,
    sent_at timestamptz not null,
    -- whether a wait of the run has got it
    is_taken boolean not null default false
);

create index signals_by_run on holdfast.signals (run_id);
create index signals_buffered on holdfast.signals (run_id, name, number) where not is_taken;

-- Facts that were published to whoever subscribed. They never change; retention deletes old ones.
create table holdfast.events (
    id uuid primary key,
    namespace text not null,
    name text not null check (length(name) between 1 and 200),
    number bigint generated always as identity,
    key text check (length(key) between 1 and 500),
    value text not null,
    published_at timestamptz not null
);

create unique index events_key on holdfast.events (namespace, name, key) where key is not null;
create index events_by_name on holdfast.events (namespace, name, published_at);
create index events_list on holdfast.events (namespace, number desc);
create index events_by_age on holdfast.events (published_at);
