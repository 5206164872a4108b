"""How parameters are read from `params.py`, a model set and overrides, whichever parameters they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field

from ocr_serving import models
from ocr_serving.config.old_params import attributes, meaningful
from ocr_serving.errors import ConfigError, InputError
from ocr_serving.validation import Frozen, did_you_mean, validated


class Params(Frozen):
    """What every module's parameters share."""

    model_set: str = Field(
        models.DEFAULT_SET, description="Which weights: a set of `ocr-serving models list`. It fills what nobody else sets."
    )
    use_tensorrt: bool = Field(False, description="Run on TensorRT, on a GPU that has it; refused elsewhere.")

    FROM_SET: ClassVar[Mapping[str, str]] = {}
    """Fields that the model set fills where nobody else does: field → attribute of the set."""

    @classmethod
    def read(cls, config: object, overrides: Mapping[str, Any], root: Path | None = None) -> Self:
        """Parameters from what `read_params()` returned (any object with attributes, or a dict) and `overrides` of it.

        The path of a dictionary (`*_dict_path`) is relative to the working folder, or where it is not there to `root`. Raises
        ConfigError with a sentence that names the key.
        """
        given = meaningful(attributes(config), "params.py") | meaningful(overrides, "params")
        known = models.model_sets()
        name = str(given.get("model_set", models.DEFAULT_SET))
        if name not in known:
            raise ConfigError(
                f"params.py: there is no model_set '{name}'{did_you_mean(name, known)}: take one of {', '.join(known)}."
            )
        chosen = known[name]
        from_set = {field: getattr(chosen, attribute) for field, attribute in cls.FROM_SET.items()}
        published = {name: value for name, value in cls.published(chosen).items() if name in cls.model_fields}
        given |= {key: _found(value, root) for key, value in given.items() if key.endswith("_dict_path") and isinstance(value, str)}
        return validated(cls, from_set | published | given, where="params.py", error=ConfigError)

    @classmethod
    def published(cls, chosen: models.ModelSet) -> Mapping[str, Any]:
        """What a model set has for parameters of this kind."""
        return chosen.params

    def updated(self, **changes: object) -> Self:
        """A copy with `changes`, of which None means "as it is". Raises InputError."""
        given = {name: value for name, value in changes.items() if value is not None}
        if not given:
            return self
        return validated(type(self), dict(self) | given, where="predict", error=InputError)

    def only(self, cls: type[Params]) -> dict[str, Any]:
        """The values of the fields that `cls` has: overrides for a module that is a part of another."""
        return {name: getattr(self, name) for name in cls.model_fields}


def _found(spec: str, root: Path | None) -> str:
    """`spec`, or the file of that name below `root` where the working folder has none."""
    path = Path(spec).expanduser()
    return spec if root is None or path.exists() or not (root / path).is_file() else str(root / path)
