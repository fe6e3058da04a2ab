-- Every refusal has its own SQLSTATE, so that callers can tell them apart in any language:
--   HF001 fenced      a newer attempt owns the run, or this one has ended
--   HF002 not found   no such run, task or attempt
--   HF003 bad token   the bootstrap token or the session secret is not this attempt's
--   HF004 conflict    the record exists already and differs, or the name is taken
--   HF005 bad state   the run's state does not allow it
--   HF006 limit       a limit is exceeded
create or replace function holdfast.refuse(p_code text, p_message text, p_hint text default null) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception using errcode = p_code, message = p_message, hint = coalesce(p_hint, '');
end
$$;
