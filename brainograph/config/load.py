"""Read an experiment file, and say everything that is wrong with it at once."""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from brainograph.config.schema import Experiment, PopulationGraph
from brainograph.files import replace_on_success

__all__ = ["ConfigError", "load_config", "save_config"]


class ConfigError(ValueError):
    """An experiment file that cannot be run; the message lists every reason."""


def load_config(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Experiment:
    """Read and check an experiment file.

    Parameters
    ----------
    path : path
        YAML.
    overrides : sequence of str
        ``key.sub=value`` to take the place of what the file says; values are YAML.

    Returns
    -------
    Experiment
        The experiment, with every default filled in.

    Raises
    ------
    ConfigError
        With one line for each mistake: where it is, what was given, what is allowed.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist. Name one of configs/*.yaml.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold keys and values such as `cohort: PATH`.")
    for override in overrides:
        _override(content, override)
    try:
        return Experiment.model_validate(content)
    except ValidationError as error:
        lines = [f"  {_explain(content, mistake)}" for mistake in error.errors()]
        raise ConfigError("\n".join([f"{path} cannot be run:", *lines])) from error


def save_config(experiment: Experiment, path: str | os.PathLike[str]) -> None:
    """Write the experiment with every value filled in."""
    content = experiment.model_dump(mode="json")
    with replace_on_success(path) as temporary:
        temporary.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def _override(content: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(
            f"--set takes key=value, got {override!r}. Write for example --set model.dropout=0.5"
        )
    *parents, last = key.strip().split(".")
    section: Any = content
    for parent in parents:
        if section.get(parent) is None:  # not there, or `model:` with nothing under it
            section[parent] = {}
        section = section[parent]
        if not isinstance(section, dict):
            raise ConfigError(
                f"--set {override}: {parent} has no keys under it, its value is {section!r}. "
                f"Set it as a whole: --set {parent}=VALUE."
            )
    try:
        section[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: {value!r} is not YAML. Quote it.") from error


def _explain(content: Any, mistake: Any) -> str:
    """Return one line: where, what was given, what is allowed."""
    where = ".".join(str(part) for part in _written(mistake["loc"]))
    if mistake["type"] == "union_tag_invalid":
        given = mistake["ctx"]["tag"]
        return f"{where}.kind: must be one of {mistake['ctx']['expected_tags']}, got {given!r}"
    if mistake["type"] == "extra_forbidden":
        *parents, key = mistake["loc"]
        known = _keys(parents)
        near = difflib.get_close_matches(str(key), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        return f"{where}: unknown key; {hint}"
    if mistake["type"] == "missing":
        return f"{where}: is missing. Write `{where}: ...` or --set {where}=..."
    return f"{where}: {mistake['msg'].removeprefix('Value error, ')}, got {mistake['input']!r}"


def _written(loc: Sequence[int | str]) -> list[int | str]:
    """Return a place as it stands in the file, without the kinds of models."""
    kinds = {_kind(model) for model in _blocks(PopulationGraph)}
    above = ("", *loc)
    return [p for p, parent in zip(loc, above, strict=False) if parent != "model" or p not in kinds]


def _keys(parents: Sequence[int | str]) -> list[str]:
    """Return the keys that may stand under a path of the file."""
    model: Any = Experiment
    for part in parents:
        if isinstance(part, int):
            continue
        if part in model.model_fields:
            model = _section(model.model_fields[part].annotation) or model
        else:  # the kind of a block
            model = next((block for block in _blocks(model) if _kind(block) == part), model)
    return list(model.model_fields)


def _section(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a field holds, if it holds one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) is None:
        return None
    return next(filter(None, map(_section, get_args(annotation))), None)


def _blocks(model: type[BaseModel]) -> list[type[BaseModel]]:
    section: type[BaseModel] = model.__mro__[1]
    return [block for block in section.__subclasses__() if "kind" in block.model_fields]


def _kind(model: type[BaseModel]) -> str:
    return str(get_args(model.model_fields["kind"].annotation)[0])
