"""The registered tasks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from holdfast_engine.control.inputs import check_schema
from holdfast_engine.control.options import TriggerOptions
from holdfast_engine.control.statements import Statements, put_outcome
from holdfast_engine.control.views import TaskView


class Tasks(Statements):
    """What can be triggered by name."""

    async def task_names(self) -> list[str]:
        """Names of the registered tasks."""
        return [row["name"] for row in await self._rows("list_task_names", self.namespace)]

    async def find_task(self, name: str) -> TaskView | None:
        """A registered task; None if there is none of that name."""
        rows = await self._rows("find_task", self.namespace, name)
        return TaskView.from_row(rows[0]) if rows else None

    async def put_task(
        self,
        name: str,
        *,
        entrypoint: str | None,
        queue: str = "default",
        input_schema: Mapping[str, Any] | None = None,
        defaults: TriggerOptions | None = None,
        template: Mapping[str, Any] | None = None,
    ) -> str:
        """Register a task or change it. Returns "created", "configured" or "unchanged".

        Args:
            name: how triggers refer to it.
            entrypoint: "module:function"; None for a command in the template.
            queue: where its runs wait.
            input_schema: JSON Schema that inputs are checked by; None: any object is accepted.
            defaults: options of its runs, unless a trigger says otherwise.
            template: what the launcher needs to know.

        Raises:
            InputError: the schema is none.
        """
        if input_schema is not None:
            check_schema(input_schema, name)
        spec: dict[str, Any] = {
            "defaults": (defaults or TriggerOptions()).given(),
            "template": template or {},
        }
        schema = None if input_schema is None else json.dumps(input_schema)
        rows = await self._rows("put_task", self.namespace, name, entrypoint, queue, schema, json.dumps(spec))
        return put_outcome(rows)
