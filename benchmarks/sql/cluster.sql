-- name: read_lived_runs
-- What became of the runs of a measurement.
select name, state, attempt from holdfast.runs where namespace = $1;

-- name: lengthen_leases
-- Let open attempts stay that nobody speaks for.
update holdfast.runs set lease_seconds = 86400 where namespace = $1 and finished_at is null;
