-- name: describe_database
-- The database we are connected to.
select current_database() as name, current_setting('server_encoding') as encoding;

-- name: is_migrated
-- Whether Holdfast was ever set up in this database; anyone may ask.
select exists (select from pg_tables where schemaname = 'holdfast' and tablename = 'migrations');

-- name: try_migration_lock
-- Take the lock of migrations until the end of the transaction, or say that someone else has it.
select pg_try_advisory_xact_lock(hashtextextended('holdfast migrations', 0));

-- name: list_migrations
-- The applied migrations, in order.
select version, name, checksum from holdfast.migrations order by version;

-- name: add_migration
-- Note that a migration was applied.
insert into holdfast.migrations (version, name, checksum) values ($1, $2, $3);

-- name: get_functions_digest
-- The digest of the functions that were applied last.
select digest from holdfast.function_sets order by id desc limit 1;

-- name: add_functions_digest
-- Note that the functions were applied.
insert into holdfast.function_sets (digest) values ($1);

-- name: limit_lock_wait
-- A migration that waits for a busy table makes everyone behind it wait as well: it gives up, and is run again.
set local lock_timeout = '10s';

-- name: allow_idle_transaction
-- The transaction that holds the lock of migrations is idle while they run.
set local idle_in_transaction_session_timeout = 0;
