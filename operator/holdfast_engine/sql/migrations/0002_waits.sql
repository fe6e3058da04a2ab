-- What runs wait for outside of themselves: tokens, and the runs that they trigger.

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

-- What a parked run waits for besides its time: tokens and runs, by id. A group is one wait: the run goes on once all
-- subjects of a group are resolved. Rows of a run that went on for another reason are removed when it parks again, and
-- with the run.
create table holdfast.waits (
    subject uuid not null,
    run_id uuid not null,
    group_number integer not null,
    primary key (subject, run_id, group_number)
);

create index waits_by_run on holdfast.waits (run_id, group_number);

-- Runs that a run has triggered, each from one place in its program: triggering from there again finds the same run.
create table holdfast.children (
    parent_id uuid not null,
    -- place of the call, and which run of a batch
    key text collate "C" not null check (length(key) <= 1100),
    child_id uuid not null,
    -- how far the child is from a run that nobody's program has triggered
    depth integer not null check (depth >= 1),
    -- whether it is to be canceled when its parent is canceled, or discarded as a dead letter
    follows boolean not null,
    primary key (parent_id, key)
);

create index children_by_child on holdfast.children (child_id);
create index children_that_follow on holdfast.children (parent_id) where follows;

-- Parents whose followers are still to be canceled.
create table holdfast.ended_parents (
    run_id uuid primary key
);

-- It gets parameters.
drop function if exists holdfast_v1.park(uuid, integer, bytea, text, double precision);
