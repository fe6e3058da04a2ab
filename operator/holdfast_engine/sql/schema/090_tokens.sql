-- Something outside completes a token once: an approval, a callback. The first write stands.
create table holdfast.tokens (
    id uuid primary key,
    namespace text not null,
    -- the run that made it; it goes with that run
    run_id uuid not null,
    tags text[] not null default '{}',
    idempotency_key text check (length(idempotency_key) between 1 and 500),
    created_at timestamptz not null,
    expires_at timestamptz,
    resolved_at timestamptz,
    outcome text check (outcome in ('Completed', 'TimedOut')),
    value text,
    constraint tokens_resolved_has_outcome check ((resolved_at is null) = (outcome is null)),
    constraint tokens_value_only_of_completed check (value is null or outcome = 'Completed')
);

create unique index tokens_idempotency_key on holdfast.tokens (namespace, idempotency_key) where idempotency_key is not null;
create index tokens_by_run on holdfast.tokens (run_id);
create index tokens_open on holdfast.tokens (namespace, created_at desc, id) where resolved_at is null;
create index tokens_list on holdfast.tokens (namespace, created_at desc, id);
