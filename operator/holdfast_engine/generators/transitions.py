"""The table of transitions as SQL (what the database enforces) and as a picture (what the docs show)."""

from __future__ import annotations

from holdfast.domain.states import FINAL, TRANSITIONS

_SQL_HEAD = """\
-- Generated from domain/states.py by `make generate`: do not edit.
-- Refuses every change of state that the table does not list, and announces every change that it lets through.
create or replace function holdfast.check_transition() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'UPDATE' and not exists (
        select from (values
"""

_SQL_TAIL = """
        ) as allowed (old_state, new_state)
        where old_state = old.state and new_state = new.state)
    then
        perform holdfast.refuse('HF005', format('run %s cannot go from %s to %s', new.id, old.state, new.state));
    end if;
    perform pg_notify('holdfast', new.state || ' ' || new.id);
    return new;
end
$$;

create or replace trigger runs_state_changed before update of state on holdfast.runs
for each row when (old.state is distinct from new.state) execute function holdfast.check_transition();

create or replace trigger runs_accepted before insert on holdfast.runs
for each row execute function holdfast.check_transition();
"""


def transitions_sql() -> str:
    """Return the trigger function that enforces ``TRANSITIONS``."""
    pairs = [
        f"            ('{state}', '{successor}')"
        for state, events in TRANSITIONS.items()
        for successor in dict.fromkeys(events.values())
    ]
    return _SQL_HEAD + ",\n".join(pairs) + _SQL_TAIL


def transitions_markdown() -> str:
    """Return the page that draws ``TRANSITIONS`` as a Mermaid state diagram."""
    arrows = [
        f"    {state} --> {successor}: {event}"
        for state, events in TRANSITIONS.items()
        for event, successor in events.items()
    ]
    ends = [f"    {state} --> [*]" for state in TRANSITIONS if state in FINAL]
    starts = ["    [*] --> Delayed", "    [*] --> Queued", "    [*] --> Suspended"]
    return "\n".join(
        [
            "# States of a run",
            "",
            "Generated from `runner/holdfast/domain/states.py` by `make generate`.",
            "The database refuses every other change.",
            "Slots of a queue are held in Starting, Running and Canceling only.",
            "",
            "```mermaid",
            "stateDiagram-v2",
            *starts,
            *arrows,
            *ends,
            "```",
            "",
        ]
    )
