-- One row: the key from which bootstrap tokens of attempts are derived, so that a control plane that died between
-- "admitted" and "launched" derives the same token again.
create table holdfast.secrets (
    only_row boolean primary key default true check (only_row),
    bootstrap_key bytea not null
        default decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')
);

insert into holdfast.secrets default values;
