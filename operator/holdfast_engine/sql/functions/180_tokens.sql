-- Tokens from outside: whoever knows the id may complete one.

-- Complete a token with a value, JSON text. Completing it again with the same value is allowed (the answer may have been
-- lost); with another it is refused, for the first write stands.
create or replace function holdfast.complete_token(p_token_id uuid, p_value text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    c_result_limit_bytes constant integer := 1048576; -- contract/limits.py: RESULT_LIMIT_BYTES
    t holdfast.tokens;
    v_now timestamptz := holdfast.now();
begin
    if octet_length(p_value) > c_result_limit_bytes then
        perform holdfast.refuse('HF006',
            format('the value is %s bytes of JSON, over the limit of %s bytes', octet_length(p_value), c_result_limit_bytes),
            'pass a reference to the data instead (a path, a key in object storage)');
    elsif position('"$holdfast"' in p_value) > 0 then
        perform holdfast.refuse('HF004', 'the value has a "$holdfast", which is reserved', 'use another key');
    end if;
    perform json_typeof(p_value::json);
    select * into t from holdfast.tokens where id = p_token_id for update;
    if t.id is null then
        perform holdfast.refuse('HF002', format('no token %s', p_token_id));
    elsif t.outcome = 'Completed' and t.value = p_value then
        return;
    elsif t.outcome = 'Completed' then
        perform holdfast.refuse('HF004', format('token %s was completed with another value at %s', p_token_id, t.resolved_at));
    elsif t.outcome = 'TimedOut' or t.expires_at <= v_now then
        perform holdfast.refuse('HF005', format('token %s has timed out at %s', p_token_id, t.expires_at));
    end if;
    update holdfast.tokens set resolved_at = v_now, outcome = 'Completed', value = p_value where id = p_token_id;
    perform holdfast.wake_waiters(p_token_id);
end
$$;
