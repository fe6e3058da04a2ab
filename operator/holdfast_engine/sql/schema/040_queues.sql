-- Where runs wait for admission. Limits are null where there is none.
create table holdfast.queues (
    namespace text not null,
    name text not null check (length(name) between 1 and 63),
    concurrency integer check (concurrency >= 0),
    concurrency_per_key integer check (concurrency_per_key >= 1),
    starts_per_minute integer check (starts_per_minute >= 1),
    paused boolean not null default false,
    -- the earliest time at which the rate limit allows the next start (generic cell rate algorithm)
    next_start_at timestamptz not null default '-infinity',
    -- the concurrency key that was served last, when keys take turns
    served_key text not null default '',
    spec jsonb not null default '{}',
    updated_at timestamptz not null default now(),
    primary key (namespace, name)
);
