-- The database, the operator's login, which owns it, and the pods' login, which may call the protocol and nothing else.
create role holdfast_engine login password :'engine_password';
create role holdfast_runner nologin;
create role holdfast_attempt login password :'attempt_password' in role holdfast_runner;
create database holdfast owner holdfast_engine encoding 'UTF8' template template0;
