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
