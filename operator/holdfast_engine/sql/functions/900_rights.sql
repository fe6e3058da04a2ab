-- Fail closed: nobody but the owner may do anything, then the pods' role gets the protocol and nothing else.
revoke all on schema holdfast, holdfast_v1 from public, holdfast_runner;
revoke all on all tables in schema holdfast from public, holdfast_runner;
revoke all on all sequences in schema holdfast from public, holdfast_runner;
revoke all on all functions in schema holdfast, holdfast_v1 from public, holdfast_runner;
grant usage on schema holdfast_v1 to holdfast_runner;
grant execute on all functions in schema holdfast_v1 to holdfast_runner;
