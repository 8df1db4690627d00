"""Which regions, edges and phenotypes the columns of a feature pipeline are about."""

from dataclasses import dataclass

import numpy as np

from brainograph.cohort import Cohort

__all__ = ["FeaturePlaces", "feature_places", "phenotype_codes"]


@dataclass(frozen=True)
class FeaturePlaces:
    """The places of F features.

    Parameters
    ----------
    block : array of str (F,)
        The step of a FeatureUnion that each comes from; ``"features"`` without one.
    first, second : array of int (F,)
        Its region, or the two regions of an edge; -1 for none.
    phenotype : array of int (F,)
        Its phenotype; -1 for none.
    regions, phenotypes : list of str
        What the numbers stand for; regions of another parcellation are named ``"ho: insula"``.
    """

    block: np.ndarray
    first: np.ndarray
    second: np.ndarray
    phenotype: np.ndarray
    regions: list[str]
    phenotypes: list[str]


def feature_places(names: list[str], cohort: Cohort) -> FeaturePlaces:
    """Find the region or the pair of regions in each feature name.

    Parameters
    ----------
    names : list of str (F,)
        Such as ``"insula -- amygdala"``, ``"edges__insula -- amygdala"``, ``"insula: thickness"``.
    cohort : Cohort
        Whose regions and phenotypes they name.

    Examples
    --------
    >>> import pandas as pd
    >>> cohort = Cohort(pd.DataFrame(index=["s"]), pd.DataFrame(index=["a", "b"]),
    ...     measures={"area": [[1, 2]]})
    >>> places = feature_places(["fc__a -- b", "b: area", "pc0"], cohort)
    >>> places.first.tolist(), places.second.tolist(), places.block.tolist()
    ([0, 1, -1], [1, 1, -1], ['fc', 'features', 'features'])
    """
    regions = cohort.regions.index.tolist()
    known = _known_names(cohort, "", 0)
    for parcellation, other in cohort.parcellations.items():
        known |= _known_names(other, f"{parcellation}: ", len(regions))
        regions += [f"{parcellation}: {name}" for name in other.regions.index]
    phenotypes = [str(name) for name in cohort.phenotype]
    block, ends, phenotype = [], [], []
    for name in map(str, names):
        step, short = "features", name
        while short not in known and "__" in short:
            first_step, short = short.split("__", 1)
            step = first_step if step == "features" else step
        block.append(step)
        ends.append(known.get(short, (-1, -1)))
        phenotype.append(-1 if short in known else _phenotype_of(short, phenotypes))
    first, second = np.array(ends, dtype=int).reshape(-1, 2).T
    return FeaturePlaces(
        np.array(block, dtype=object), first, second, np.array(phenotype), regions, phenotypes
    )


def _known_names(cohort: Cohort, prefix: str, start: int) -> dict[str, tuple[int, int]]:
    """Return the two regions of every feature name that can be made of a cohort's regions."""
    regions = cohort.regions.index.tolist()
    pairs = {
        f"{prefix}{a} -- {b}": (start + i, start + j)
        for i, a in enumerate(regions)
        for j, b in enumerate(regions)
    }
    measures = {
        f"{prefix}{region}: {name}": (start + i, start + i)
        for i, region in enumerate(regions)
        for name in cohort.measures
    }
    return pairs | measures


def _phenotype_of(name: str, phenotypes: list[str]) -> int:
    """Return the phenotype of ``age``, ``age missing`` or ``site=NYU``; -1 for none."""
    for i, phenotype in enumerate(phenotypes):
        if name in (phenotype, f"{phenotype} missing") or name.startswith(f"{phenotype}="):
            return i
    return -1


def phenotype_codes(names: list[str], columns: list[str]) -> np.ndarray:
    """Return the position in ``columns`` of the phenotype of each design column (P,).

    Examples
    --------
    >>> phenotype_codes(["age", "age missing", "sex=f", "sex=m"], ["age", "sex"]).tolist()
    [0, 0, 1, 1]
    """
    return np.array([_phenotype_of(str(name), columns) for name in names], dtype=int)
