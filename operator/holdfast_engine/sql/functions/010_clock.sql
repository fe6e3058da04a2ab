-- The only clock of Holdfast: every due time, lease and deadline is computed with it.
-- Tests replace this function to set the time.
create or replace function holdfast.now() returns timestamptz
language sql stable parallel safe
return pg_catalog.now();
