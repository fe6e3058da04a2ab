-- The recorded operations of a run. A row with outcome 'Succeeded' never changes again.
-- No foreign key to runs: it would lock the run's row at every record; the functions that write here check the fence.
create table holdfast.steps (
    run_id uuid not null,
    key text collate "C" not null check (length(key) <= 1000),
    sequence integer not null check (sequence >= 1),
    position integer not null check (position >= 0),
    attempt integer not null,
    tries integer not null check (tries >= 0),
    recorded_at timestamptz not null,
    elapsed_ms integer not null,
    kind text not null,
    outcome text not null check (outcome in ('Succeeded', 'Failed', 'Retrying', 'Canceled')),
    name text not null check (length(name) <= 200),
    input_digest bytea,
    value text,
    primary key (run_id, key)
);
