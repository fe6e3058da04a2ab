-- Say which hooks of its ends the task of a run has (on_failure, on_cancel, on_complete), where whoever has triggered it did
-- not know: they are called even if no attempt of the program is there any more when it ends.
create or replace function holdfast_v1.announce(p_run_id uuid, p_attempt integer, p_session bytea, p_hooks text[])
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update holdfast.runs x set hooks = p_hooks
    where x.id = p_run_id and x.attempt = p_attempt and x.session_hash = sha256(p_session);
    if not found then
        perform holdfast.refuse_fenced(p_run_id, p_attempt);
    end if;
end
$$;
