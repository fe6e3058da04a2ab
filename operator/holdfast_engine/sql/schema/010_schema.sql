-- Two schemas: `holdfast` belongs to the control plane, `holdfast_v1` is the protocol of the pods.
-- The role holdfast_runner may execute the functions of holdfast_v1 and nothing else; logins of pods are members of it.
create schema if not exists holdfast;
create schema holdfast_v1;

do $$
begin
    -- roles belong to the whole server: another database may have made it
    if not exists (select from pg_roles where rolname = 'holdfast_runner') then
        create role holdfast_runner nologin;
    end if;
exception when duplicate_object or unique_violation then
    null;  -- at this very moment
end
$$;
