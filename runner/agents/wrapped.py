"""A model around another: everything the SDK asks of a model but `stream`, passed on.

What is done to a conversation on its way is in the wrappers: `metered`, `redacting`, `compacting`.
"""

from __future__ import annotations

from typing import Any

from strands.models.model import Model


class WrappedModel(Model):
    """Stands in the place of `inner`; `stream` is left to what is made of it."""

    def __init__(self, inner: Model) -> None:
        self._inner = inner
        self._supports_structured_output = getattr(inner, "_supports_structured_output", False)

    @property
    def config(self) -> Any:
        """The inner model's configuration: the SDK reads the model's id from it for its spans."""
        return self._inner.get_config()

    @property
    def stateful(self) -> bool:
        return self._inner.stateful

    def get_config(self) -> Any:
        return self._inner.get_config()

    def update_config(self, **model_config: Any) -> None:
        raise AssertionError("a pooled model's configuration is shared and does not change")

    def structured_output(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("deprecated in the SDK; a second way to a model, which nothing here takes")
