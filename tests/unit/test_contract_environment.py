"""The environment of an attempt: read back as written, refused with every problem at once."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.contract.environment import AttemptEnvironment, Pooler
from holdfast.domain.errors import AttemptEnvironmentError

MINIMAL = {
    "HOLDFAST_DATABASE": "postgresql://runner@/holdfast",
    "HOLDFAST_RUN_ID": "01890a5d-ac96-774b-bcce-b302099a8057",
    "HOLDFAST_ATTEMPT": "2",
    "HOLDFAST_TOKEN": "s3cret",
    "HOLDFAST_ENTRYPOINT": "shop.tasks:process_order",
}

texts = st.text(st.characters(min_codepoint=1, codec="utf-8"), min_size=1)
seconds = st.integers(0, 2**31 - 1)


def test_what_is_not_set_has_its_default() -> None:
    environment = AttemptEnvironment.from_mapping({**MINIMAL, "PATH": "/bin", "HOLDFAST_DATABASE_POOLER": ""})
    assert environment == AttemptEnvironment(
        database="postgresql://runner@/holdfast",
        run_id=UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
        attempt=2,
        token="s3cret",
        entrypoint="shop.tasks:process_order",
        database_pooler=Pooler.NONE,
        database_grace_seconds=300,
        shutdown_grace_seconds=25,
    )


@given(
    st.builds(
        AttemptEnvironment,
        database=st.sampled_from(["postgresql:///runs", "postgres://app:s%2F%40@one,two:6432/runs?sslmode=require"]),
        run_id=st.uuids(),
        attempt=st.integers(1, 2**31 - 1),
        token=texts,
        entrypoint=st.just("a.b:c"),
        database_pooler=st.sampled_from(Pooler),
        database_grace_seconds=seconds,
        shutdown_grace_seconds=seconds,
    )
)
def test_what_is_written_is_read(environment: AttemptEnvironment) -> None:
    assert AttemptEnvironment.from_mapping(environment.to_mapping()) == environment


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(AttemptEnvironmentError) as caught:
        AttemptEnvironment.from_mapping(
            {
                "HOLDFAST_RUN_ID": "order-42",
                "HOLDFAST_ATTEMPT": "0",
                "HOLDFAST_TOKEN": "",
                "HOLDFAST_ENTRYPOINT": "process_order",
                "HOLDFAST_DATABASE_POOLER": "session",
                "HOLDFAST_DATABASE_GRACE_SECONDS": "-1",
                "HOLDFAST_SHUTDOWN_GRACE_SECONDS": "25s",
            }
        )
    assert caught.value.problems == (
        "HOLDFAST_DATABASE is not set",
        "HOLDFAST_TOKEN is not set",
        "HOLDFAST_RUN_ID='order-42' must be the id of a run (a UUID)",
        "HOLDFAST_ATTEMPT='0' must be a whole number from 1 to 2147483647",
        "HOLDFAST_ENTRYPOINT='process_order' must have the form 'package.module:function'",
        "HOLDFAST_DATABASE_POOLER='session' must be 'none' or 'transaction'",
        "HOLDFAST_DATABASE_GRACE_SECONDS='-1' must be a whole number from 0 to 2147483647",
        "HOLDFAST_SHUTDOWN_GRACE_SECONDS='25s' must be a whole number from 0 to 2147483647",
    )
    assert "holdfast run MODULE:TASK" in str(caught.value)


@pytest.mark.parametrize("text", ["٣", " 2", "2\n", "2.0", "1_0", "99999999999", "+2"])
def test_numbers_are_plain_digits(text: str) -> None:
    with pytest.raises(AttemptEnvironmentError):
        AttemptEnvironment.from_mapping({**MINIMAL, "HOLDFAST_ATTEMPT": text})


def test_secrets_stay_out_of_the_problems() -> None:
    with pytest.raises(AttemptEnvironmentError) as caught:
        AttemptEnvironment.from_mapping({**MINIMAL, "HOLDFAST_DATABASE": "postgresql://app:s3cret/w0rd@host/runs"})
    assert str(caught.value).startswith("this process is not an attempt: HOLDFAST_DATABASE cannot be read:")
    assert "s3cret" not in str(caught.value)


def test_secrets_stay_out_of_the_representation() -> None:
    shown = repr(AttemptEnvironment.from_mapping(MINIMAL))
    assert "s3cret" not in shown
    assert "postgresql" not in shown
