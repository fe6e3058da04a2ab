-- name: read_clock
-- The time of the tests.
select holdfast.now()

-- name: advance_clock
-- Let so many seconds pass.
update holdfast_testing.clock set offset_seconds = offset_seconds + $1::double precision

-- name: advance_clock_to
-- Let time pass until then; never back.
update holdfast_testing.clock
set offset_seconds = offset_seconds + greatest(0, extract(epoch from $1::timestamptz - holdfast.now()))

-- name: widen_queue
-- Tests wait for no slot.
insert into holdfast.queues (namespace, name, concurrency) values ($1, $2, 1000000)
on conflict (namespace, name) do update set concurrency = excluded.concurrency

-- name: read_test_run
-- Where a run stands, and how it ended.
select state, attempt, failures, launcher, result, error, reason, message from holdfast.runs where id = $1

-- name: read_test_steps
-- What a run has recorded, in the order of the records.
select key, sequence, position, kind, name, outcome, tries, attempt, value from holdfast.steps
where run_id = $1 and kind <> 'cancel'
order by sequence

-- name: lose_attempt
-- The process of an attempt is gone.
select holdfast.end_attempt($1, $2, 'Disruption', 'ProcessLost', $3)

-- name: read_test_family
-- The runs of one launcher that have not ended: those of one test.
select id, state, attempt, due_at, wait_kind from holdfast.runs
where launcher = $1 and finished_at is null and state <> 'Suspended'
order by id

-- name: complete_test_token
-- Somebody answers.
select holdfast.complete_token($1, $2)

-- name: send_test_signal
-- Somebody sends a message.
select holdfast.send_signal($1, $2, $3)

-- name: publish_test_event
-- Somebody publishes a fact.
select holdfast.publish_event($1, $2, $3, $4)

-- name: open_test_tokens
-- What a run has made and nobody has completed, in the order of making.
select id from holdfast.tokens where run_id = $1 and outcome is null order by created_at, id

-- name: cancel_test_run
-- Somebody cancels it.
select holdfast.cancel_run($1)

-- name: resume_test_run
-- A dead letter goes on.
select holdfast.resume_run($1)
