-- What an attempt printed or logged, in order; `line_number` counts within the attempt.
create table holdfast.logs (
    run_id uuid not null,
    attempt integer not null,
    line_number integer not null,
    logged_at timestamptz not null,
    stream text not null check (stream in ('stdout', 'stderr', 'log')),
    step_key text,
    line text not null,
    primary key (run_id, attempt, line_number)
);
