"""The space of a search, and how candidates are proposed from it, one after the other."""

import difflib
import itertools
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from sklearn.base import BaseEstimator

__all__ = ["Interval", "Method", "Space", "check_space", "propose"]

Method = Literal["grid", "random", "optuna"]
_KEYS = ("low", "high", "log", "int")


@dataclass(frozen=True)
class Interval:
    """Numbers from ``low`` to ``high``, both included; ``log`` spreads their logarithm."""

    low: float
    high: float
    log: bool = False
    int: bool = False

    def draw(self, generator: np.random.Generator) -> float:
        """Return a number of the interval."""
        low, high = (self.low - 0.5, self.high + 0.5) if self.int else (self.low, self.high)
        if self.log:
            value = math.exp(generator.uniform(math.log(low), math.log(high)))
        else:
            value = generator.uniform(low, high)
        value = min(max(value, self.low), self.high)
        return round(value) if self.int else float(value)


Space = dict[str, list[Any] | Interval]


def check_space(
    estimator: BaseEstimator, space: Mapping[str, Any], *, method: Method = "random"
) -> Space:
    """Return the space with scikit-learn's names of the parameters, or say what is wrong with it.

    Parameters
    ----------
    estimator : estimator
        What is searched for.
    space : mapping of str to sequence or mapping
        For each parameter (``C``, ``logisticregression__C`` or ``logisticregression.C``) its
        values, or an interval ``{"low": 1e-4, "high": 1e-2, "log": True}``, with ``"int": True``
        for whole numbers.
    method : {"grid", "random", "optuna"}
        A grid takes values only.

    Returns
    -------
    dict of str to list or Interval
        The space.

    Raises
    ------
    ValueError
        With one line for each mistake.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> check_space(LogisticRegression(), {"C": {"low": 0.01, "high": 10, "log": True}})
    {'C': Interval(low=0.01, high=10.0, log=True, int=False)}
    """
    if method not in get_args(Method):
        raise ValueError(f"method must be one of {get_args(Method)}, got {method!r}.")
    if not isinstance(space, Mapping) or not space:
        raise ValueError(
            f"space must name parameters and their values, got {space!r}. Write for example "
            '{"C": [0.1, 1, 10]}.'
        )
    known = sorted(estimator.get_params(deep=True))
    mistakes = []
    checked: Space = {}
    for given, values in space.items():
        name = given.replace(".", "__")
        wrong = _unknown(name, known) or _wrong_values(values, method)
        if wrong:
            mistakes.append(f"space[{given!r}]: {wrong}")
        else:
            checked[name] = _values(values)
    if mistakes:
        raise ValueError("\n".join(mistakes))
    return checked


def _unknown(name: str, known: Sequence[str]) -> str | None:
    """Say that an estimator has no such parameter, and which is nearest."""
    if name in known:
        return None
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    last = [one for one in known if one.rpartition("__")[2] == name.rpartition("__")[2]]
    hint = (last or near)[:1]
    return f"unknown parameter; {f'did you mean {hint[0]}?' if hint else f'known are {known}'}"


def _wrong_values(values: Any, method: Method) -> str | None:
    if isinstance(values, Mapping):
        if method == "grid":
            return f"a grid takes a list of values, got {dict(values)}. Or write method='random'."
        return _wrong_interval(values)
    if isinstance(values, (str, bytes)) or not isinstance(values, (Sequence, np.ndarray)):
        return f"must be a list of values or {{low: ., high: .}}, got {values!r}."
    if not len(values):
        return "has no values."
    texts = [one for one in values if isinstance(one, str) and _number(one) is not None]
    if texts:
        return f"{texts[0]!r} is text, not a number. YAML reads 1e-3 as text: write 1.0e-3."
    return None


def _wrong_interval(values: Mapping[str, Any]) -> str | None:
    """Say what is wrong with an interval."""
    if not {"low", "high"} <= set(values) <= set(_KEYS):
        return f"an interval has low, high and may have log, int; got {sorted(values)}."
    low, high = _number(values["low"]), _number(values["high"])
    if low is None or high is None or not low < high:
        return f"low must be less than high, got {values['low']!r} and {values['high']!r}."
    if values.get("log") and low <= 0:
        return f"log needs low > 0, got {low}."
    if values.get("int") and not (low.is_integer() and high.is_integer()):
        return f"int needs whole numbers, got {low} and {high}."
    return None


def _number(value: Any) -> float | None:
    """Return a value, or a text that is one in Python though not in YAML, as a number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _values(values: Any) -> list[Any] | Interval:
    if not isinstance(values, Mapping):
        return values.tolist() if isinstance(values, np.ndarray) else list(values)
    is_int = bool(values.get("int", False))
    low, high = float(values["low"]), float(values["high"])
    if is_int:
        low, high = int(low), int(high)
    return Interval(low, high, bool(values.get("log", False)), is_int)


def propose(
    space: Space, method: Method, *, n_trials: int, random_state: int
) -> Generator[dict[str, Any], float | None, None]:
    """Yield the parameters of each trial and take its score by ``send``.

    Each trial has a seed of its own, so that the same scores are followed by the same candidates,
    whether they were computed now or before a run was killed.

    Raises
    ------
    ImportError
        If Optuna is asked for and not installed.

    Examples
    --------
    >>> list(propose({"C": [1, 2], "tol": [0.1]}, "grid", n_trials=0, random_state=0))
    [{'C': 1, 'tol': 0.1}, {'C': 2, 'tol': 0.1}]
    """
    if method == "grid":
        lists = [values for values in space.values() if isinstance(values, list)]
        for combination in itertools.product(*lists):
            yield dict(zip(space, combination, strict=True))
    elif method == "random":
        for trial in range(n_trials):
            generator = np.random.default_rng([random_state, trial])
            yield {name: _draw(values, generator) for name, values in space.items()}
    else:
        yield from _propose_by_optuna(space, n_trials, random_state)


def _draw(values: list[Any] | Interval, generator: np.random.Generator) -> Any:
    if isinstance(values, Interval):
        return values.draw(generator)
    return values[int(generator.integers(len(values)))]


def _propose_by_optuna(
    space: Space, n_trials: int, random_state: int
) -> Generator[dict[str, Any], float | None, None]:
    """Propose by the tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011)."""
    try:
        import optuna
    except ImportError as error:
        raise ImportError(
            "method='optuna' needs Optuna. Write `pip install brainograph[hpo]`, or "
            "method='random'."
        ) from error
    said = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize")
        for number in range(n_trials):
            (seed,) = np.random.SeedSequence([random_state, number]).generate_state(1).tolist()
            study.sampler = optuna.samplers.TPESampler(seed=seed)
            trial = study.ask()
            score = yield {name: _suggest(trial, name, values) for name, values in space.items()}
            study.tell(trial, score)
    finally:
        optuna.logging.set_verbosity(said)


def _suggest(trial: Any, name: str, values: list[Any] | Interval) -> Any:
    if isinstance(values, list):  # by position: Optuna takes no lists, mappings or estimators
        return values[trial.suggest_categorical(name, list(range(len(values))))]
    if values.int:
        return trial.suggest_int(name, values.low, values.high, log=values.log)
    return trial.suggest_float(name, values.low, values.high, log=values.log)
