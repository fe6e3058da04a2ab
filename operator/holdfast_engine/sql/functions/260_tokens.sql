-- Make a token, or find the one that this place, or the idempotency key, has made before. An attempt that makes it again,
-- because the one before died too early, names the same place and gets the same.
create or replace function holdfast_v1.create_token(
    p_run_id uuid, p_attempt integer, p_session bytea,
    p_place uuid, p_timeout_seconds double precision, p_tags text[], p_idempotency_key text
) returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    c_tokens_limit constant integer := 1000; -- contract/limits.py: TOKENS_PER_RUN_LIMIT
    v_namespace text;
    v_now timestamptz := holdfast.now();
    v_token_id uuid := holdfast.token_id(p_run_id, p_place);
begin
    select r.namespace into v_namespace from holdfast.runs r
    where r.id = p_run_id and r.attempt = p_attempt and r.session_hash = sha256(p_session);
    if not found then
        perform holdfast.refuse_fenced(p_run_id, p_attempt);
    end if;
    if (select count(*) from holdfast.tokens t where t.run_id = p_run_id and t.id <> v_token_id) >= c_tokens_limit then
        perform holdfast.refuse('HF006', format('the run has made %s tokens, the most that one run may have', c_tokens_limit));
    end if;
    insert into holdfast.tokens (id, namespace, run_id, tags, idempotency_key, created_at, expires_at)
    values (v_token_id, v_namespace, p_run_id, p_tags, p_idempotency_key, v_now, v_now + make_interval(secs => p_timeout_seconds))
    on conflict do nothing;
    select t.id into v_token_id from holdfast.tokens t
    where t.id = v_token_id
       or t.namespace = v_namespace and t.idempotency_key = p_idempotency_key;
    return v_token_id;
end
$$;
