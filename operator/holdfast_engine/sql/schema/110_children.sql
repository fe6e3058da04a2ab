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
