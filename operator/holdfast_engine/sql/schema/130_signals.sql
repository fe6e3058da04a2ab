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
