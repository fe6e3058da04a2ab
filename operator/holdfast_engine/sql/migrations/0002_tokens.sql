-- Tokens, and runs that wait for them.

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
create index tokens_open on holdfast.tokens (namespace, id desc) where resolved_at is null;
create index tokens_list on holdfast.tokens (namespace, id desc);

-- What a parked run waits for besides its time: each row makes the run go on once its subject, a token by its id, is
-- resolved. Rows of a run that went on for another reason are removed when it parks again, and with the run.
create table holdfast.waits (
    subject uuid not null,
    run_id uuid not null,
    primary key (subject, run_id)
);

create index waits_by_run on holdfast.waits (run_id);

-- It gets a parameter.
drop function if exists holdfast_v1.park(uuid, integer, bytea, text, double precision);
