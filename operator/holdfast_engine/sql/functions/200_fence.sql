-- Say why an attempt may not write: it does not exist, or a newer one owns the run, or it has ended, or the secret is wrong.
create or replace function holdfast.refuse_fenced(p_run_id uuid, p_attempt integer) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    r holdfast.runs;
begin
    select * into r from holdfast.runs where id = p_run_id;
    if r.id is null then
        perform holdfast.refuse('HF002', format('no run %s', p_run_id));
    elsif r.attempt <> p_attempt then
        perform holdfast.refuse('HF001', format('attempt %s of run %s was replaced by attempt %s', p_attempt, p_run_id, r.attempt));
    elsif r.session_hash is null then
        perform holdfast.refuse('HF001', format('attempt %s of run %s %s: the run is %s', p_attempt, p_run_id,
            case when r.state = 'Starting' then 'is not open' else 'has ended' end, r.state));
    end if;
    perform holdfast.refuse('HF003', format('the session secret is not that of attempt %s of run %s', p_attempt, p_run_id));
end
$$;

-- The fence reads what is committed at this moment. With the snapshot of a longer transaction it would see an older state,
-- and let a replaced attempt through.
create or replace function holdfast.refuse_snapshot() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    perform holdfast.refuse('HF005',
        format('the protocol needs the isolation level read committed, this transaction is %s',
            current_setting('transaction_isolation')),
        'set default_transaction_isolation of the role or the database back to read committed');
end
$$;

-- A record that exists may only be sent again unchanged, by the attempt that sent it first.
create or replace function holdfast.accept_only_same_record(
    p_run_id uuid, p_attempt integer, p_key text, p_sequence integer, p_outcome text, p_value text
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    perform 1 from holdfast.steps s
    where s.run_id = p_run_id and s.key = p_key and s.attempt = p_attempt and s.sequence = p_sequence
      and s.outcome = p_outcome and s.value is not distinct from p_value;
    if not found then
        perform holdfast.refuse('HF004', format('step %s of run %s is recorded already, with another result', quote_literal(p_key), p_run_id));
    end if;
end
$$;

-- What is recorded inside the body of a step binds nobody any more: the body is executed again. Its keys continue the
-- step's with '/' or '.', which sort together and directly before '0'.
create or replace function holdfast.unbind_body(p_run_id uuid, p_key text) returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
    update holdfast.steps set position = 0
    where run_id = p_run_id and key >= p_key || '.' and key < p_key || '0' and position <> 0
$$;
