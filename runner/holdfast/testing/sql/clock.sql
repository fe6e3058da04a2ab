-- Tests set the time: the clock of Holdfast becomes the real one plus an offset.
create schema if not exists holdfast_testing;
create table if not exists holdfast_testing.clock (offset_seconds double precision not null);
insert into holdfast_testing.clock select 0 where not exists (select from holdfast_testing.clock);

create or replace function holdfast.now() returns timestamptz
language sql stable parallel safe
return pg_catalog.now() + make_interval(secs => (select offset_seconds from holdfast_testing.clock));
