-- What a parked run waits for besides its time: each row makes the run go on once its subject, a token by its id, is
-- resolved. Rows of a run that went on for another reason are removed when it parks again, and with the run.
create table holdfast.waits (
    subject uuid not null,
    run_id uuid not null,
    primary key (subject, run_id)
);

create index waits_by_run on holdfast.waits (run_id);
