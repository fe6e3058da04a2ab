-- Runs that a run has triggered, each from one place in its program: triggering from there again finds the same run.
create table holdfast.children (
    parent_id uuid not null,
    -- place of the call, and which run of a batch
    key text collate "C" not null check (length(key) <= 1100),
    child_id uuid not null,
    -- how far the child is from a run that nobody's program has triggered
    depth integer not null check (depth >= 1),
    -- whether it is canceled when its parent ends without success
    follows boolean not null,
    primary key (parent_id, key)
);

create index children_by_child on holdfast.children (child_id);

-- Parents that have ended without success, and whose followers are still to be canceled.
create table holdfast.ended_parents (
    run_id uuid primary key
);
