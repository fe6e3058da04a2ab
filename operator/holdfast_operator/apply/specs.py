"""Specs of resources as the models read them."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from holdfast.contract.reasons import Reason
from holdfast.contract.resources.model import Model
from holdfast.domain.errors import HoldfastError
from holdfast_operator.kinds import Object

Spec = TypeVar("Spec", bound=Model)


class Refused(HoldfastError):
    """The TaskRun cannot become a run; ``reason`` is one word for its condition.

    Attributes:
        reason: one word in CamelCase.
        is_final: whether another try is pointless.
    """

    def __init__(self, reason: Reason, sentence: str, *, is_final: bool = True) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.is_final = is_final


def parsed_spec(model: type[Spec], resource: Object) -> Spec:
    """The spec of a resource.

    Raises:
        Refused: it does not fit, though the API server let it in: the CRDs are of another version.
    """
    try:
        return model.model_validate(dict(resource["spec"]), by_alias=True, by_name=False)
    except ValidationError as error:
        problems = "; ".join(f"spec.{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise Refused(Reason.REFUSED, f"{problems}. Are the CRDs those of this version of Holdfast?") from error
