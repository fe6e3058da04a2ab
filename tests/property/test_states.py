"""The table of states: an event that it does not list raises and changes nothing; every run can come to an end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.states import (
    DEAD_LETTERS,
    FINAL,
    HOLDS_SLOT,
    TRANSITIONS,
    Event,
    IllegalTransition,
    State,
    follows,
    transition,
)


@given(st.sampled_from([State.DELAYED, State.QUEUED, State.SUSPENDED]), st.lists(st.sampled_from(list(Event))))
def test_any_story_follows_the_table(state: State, events: list[Event]) -> None:
    for event in events:
        if event in TRANSITIONS[state]:
            state = transition(state, event)
        else:
            with pytest.raises(IllegalTransition, match="cannot take the event") as raised:
                transition(state, event)
            assert (raised.value.state, raised.value.event) == (state, event)


@pytest.mark.parametrize("state", list(State))
def test_from_every_state_there_is_an_end(state: State) -> None:
    reached, seen = {state}, set[State]()
    while reached - seen:
        current = (reached - seen).pop()
        seen.add(current)
        reached |= follows(current)
    assert reached & FINAL


def test_only_dead_letters_come_back() -> None:
    assert {state for state in FINAL if follows(state)} == DEAD_LETTERS


def test_slots_are_taken_by_admission_alone() -> None:
    entrances = {
        (state, event)
        for state, events in TRANSITIONS.items()
        for event, successor in events.items()
        if state not in HOLDS_SLOT and successor in HOLDS_SLOT
    }
    assert entrances == {(State.QUEUED, Event.ADMIT)}
