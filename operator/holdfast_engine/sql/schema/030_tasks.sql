-- A registered task: what a trigger needs to know of it. `spec` holds the fields of a Task resource.
create table holdfast.tasks (
    namespace text not null,
    name text not null check (length(name) between 1 and 200),
    entrypoint text,
    queue text not null default 'default',
    input_schema json,
    spec jsonb not null default '{}',
    updated_at timestamptz not null default now(),
    primary key (namespace, name)
);
