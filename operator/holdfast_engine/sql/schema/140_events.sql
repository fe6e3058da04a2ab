-- Facts that were published to whoever subscribed. They never change; retention deletes old ones.
create table holdfast.events (
    id uuid primary key,
    namespace text not null,
    name text not null check (length(name) between 1 and 200),
    number bigint generated always as identity,
    key text check (length(key) between 1 and 500),
    value text not null,
    published_at timestamptz not null
);

create unique index events_key on holdfast.events (namespace, name, key) where key is not null;
create index events_by_name on holdfast.events (namespace, name, published_at);
create index events_list on holdfast.events (namespace, number desc);
create index events_by_age on holdfast.events (published_at);
