-- name: make_attempt_login
-- A login with the rights of an attempt and no more, for processes on this machine.
do $$
begin
    create role holdfast_attempt login in role holdfast_runner;
exception when duplicate_object or unique_violation then
    null;  -- made before, or by someone else at this moment
end
$$

-- name: hold_launcher_name
-- Be alive under a launcher's name for as long as this session lasts.
select pg_advisory_lock_shared(hashtextextended($1, 0))

-- name: adopt_orphans
-- Take over the unfinished runs of launchers in one place that are gone: nobody holds their names any more.
with adopted as (
    update holdfast.runs set launcher = $1
    where launcher is not null and finished_at is null and launcher <> $1
      and regexp_replace(launcher, '#[^#]*$', '') = $1
      and pg_try_advisory_xact_lock(hashtextextended(launcher, 0))
    returning id, state
)
select id, pg_notify('holdfast', state || ' ' || id) from adopted

-- name: adopt_run
-- Take over one unfinished run if its launcher is gone.
update holdfast.runs set launcher = $2
where id = $1 and finished_at is null
  and (launcher is null or launcher = $2 or pg_try_advisory_xact_lock(hashtextextended(launcher, 0)))
returning pg_notify('holdfast', state || ' ' || id)
