-- Ids grow with time (UUID version 7), so that lists of runs are index scans. Postgres before 18 has no function for it.
create or replace function holdfast.new_id() returns uuid
language sql volatile parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
                from 1 for 6),
            52, 1), 53, 1), 'hex')::uuid
$$;

-- The single-use token that the process of one attempt shows to `open`.
create or replace function holdfast.bootstrap_token(p_run_id uuid, p_attempt integer) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select encode(sha256(bootstrap_key || sha256(bootstrap_key || uuid_send(p_run_id) || int4send(p_attempt))), 'hex')
    from holdfast.secrets
$$;

-- The token that one place of a run makes, the same each time. Who knows the run and the place does not know it.
create or replace function holdfast.token_id(p_run_id uuid, p_place uuid) returns uuid
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select left(encode(sha256(
        bootstrap_key || sha256(bootstrap_key || uuid_send(p_run_id) || uuid_send(p_place))), 'hex'), 32)::uuid
    from holdfast.secrets
$$;
