-- What the migration runner knows of a database. It makes these two tables itself, before the first migration.
create schema if not exists holdfast;

create table holdfast.migrations (
    version integer primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
);

create table holdfast.function_sets (
    id integer generated always as identity primary key,
    digest text not null,
    applied_at timestamptz not null default now()
);
