"""Simulated cohorts with a planted group difference, to see whether a method finds it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from brainograph.cohort import Cohort
from brainograph.datasets.regions import mni_regions
from brainograph.datasets.signals import (
    affected_mask,
    draw_participants,
    planted_edges,
    regional_series,
    site_maps,
)

__all__ = ["simulate_cohort"]


def _check(n_subjects: int, n_regions: int, n_volumes: tuple[int, int], missing: float) -> None:
    if n_subjects < 1 or n_regions < 4:
        raise ValueError(
            f"n_subjects must be at least 1 and n_regions at least 4, got {n_subjects} and "
            f"{n_regions}. Write for example simulate_cohort(100, n_regions=20)."
        )
    if not 3 <= n_volumes[0] <= n_volumes[1]:
        raise ValueError(
            f"n_volumes must be a shortest and a longest length of 3 or more, got {n_volumes}. "
            "Write for example n_volumes=(80, 120)."
        )
    if not 0 <= missing < 1:
        raise ValueError(
            f"missing must be in [0, 1), got {missing}. For 5 % of the cells write missing=0.05."
        )


def _blank(table: pd.DataFrame, missing: float, rng: np.random.Generator) -> pd.DataFrame:
    """Return the table with a share of its age, sex and motion cells missing."""
    columns = ["age", "sex", "mean_fd"]
    return table.assign(**{c: table[c].mask(rng.random(len(table)) < missing) for c in columns})


def _thickness(
    phenotype: pd.DataFrame, affected: np.ndarray, *, effect: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw cortical thickness (S, R) in mm: thinner with age and in patients' affected regions."""
    spread = 0.12
    n_subjects, n_regions = len(phenotype), len(affected)
    profile = rng.normal(2.6, 0.25, n_regions)
    shift = rng.normal(0, 0.06, n_subjects) - 0.004 * (phenotype["age"].to_numpy() - 40)
    planted = effect * spread * np.outer(phenotype["diagnosis"], affected)
    noise = rng.normal(0, spread, (n_subjects, n_regions))
    return (profile + shift[:, np.newaxis] - planted + noise).astype(np.float32)


def simulate_cohort(
    n_subjects: int = 100,
    *,
    n_regions: int = 20,
    n_volumes: tuple[int, int] = (80, 120),
    n_sites: int = 3,
    effect: float = 2.5,
    affected_regions: Sequence[str] | None = None,
    dynamic_effect: float = 0.0,
    thickness_effect: float = 0.0,
    site_effect: float = 0.0,
    prevalence: float | Sequence[float] | None = None,
    motion_effect: float = 0.0,
    missing: float = 0.05,
    t_r: float = 2.0,
    random_state: int | None = 0,
) -> Cohort:
    """Simulate resting-state series of patients and controls whose difference is known.

    The regions form networks. In patients the correlation among the affected regions is higher
    (``effect`` > 0) or lower; every other correlation is drawn alike for both groups. Rows and
    identifiers are in random order.

    Parameters
    ----------
    n_subjects, n_regions, n_sites : int
        S, R and the number of sites.
    n_volumes : (int, int)
        Shortest and longest series, both included.
    effect : float
        Cohen's d of the correlation among the affected regions (one standard deviation between
        participants is 0.1). 0 plants nothing; 2.5 gives a logistic regression on 100
        participants an AUC of about .9.
    affected_regions : sequence of names, optional
        By default PCC, mPFC and insula of both sides.
    dynamic_effect : float
        In patients the same correlation swings by so many standard deviations in blocks of 20
        volumes around an unchanged mean: sliding windows see it, static connectivity does not.
    thickness_effect : float
        Cohen's d of cortical thinning in patients' affected regions.
    site_effect : float
        Strength of each scanner's own pattern in the series, 0 to 4.
    prevalence : float or sequence of n_sites floats, optional
        Share of patients at each site. By default one half, and from 0.2 to 0.8 over the sites
        if there is a site effect: with ``effect=0`` site alone then predicts the diagnosis over
        all sites, and nothing does within one.
    motion_effect : float
        Cohen's d of patients' motion, which raises all correlations.
    missing : float
        Share of missing cells in ``age``, ``sex`` and ``mean_fd``.
    t_r : float, s
        Repetition time.
    random_state : int, optional
        Seed; None draws another cohort each time.

    Returns
    -------
    Cohort
        With ``timeseries``, ``connectivity["fc"]`` (Pearson), ``measures["thickness"]`` (mm), the
        column ``affected`` in ``regions``, and in ``provenance["truth"]`` the affected
        ``regions``, the planted ``edges`` and the effects.

    Raises
    ------
    ValueError
        If a number is out of its range or an affected region is not there.

    Examples
    --------
    >>> cohort = simulate_cohort(60)
    >>> cohort
    Cohort of 60 participants, 20 regions: timeseries of 80 to 120 volumes; connectivity fc;
    measures thickness
    >>> cohort.provenance["truth"]["edges"][0]
    ['Default_PCC_L', 'Default_PCC_R']
    >>> patients = cohort[cohort.phenotype["diagnosis"] == 1].connectivity["fc"].mean(0)
    >>> controls = cohort[cohort.phenotype["diagnosis"] == 0].connectivity["fc"].mean(0)
    >>> a = cohort.regions["affected"].to_numpy()
    >>> bool((patients - controls)[a][:, a].sum() > 3)
    True
    """
    _check(n_subjects, n_regions, n_volumes, missing)
    rng = np.random.default_rng(random_state)
    regions = mni_regions(n_regions)
    affected = affected_mask(regions, affected_regions)
    if prevalence is None:
        prevalence = np.linspace(0.2, 0.8, n_sites).tolist() if site_effect else 0.5
    phenotype = draw_participants(
        n_subjects, n_sites=n_sites, prevalence=prevalence, motion_effect=motion_effect, rng=rng
    )
    maps = site_maps(n_sites, n_regions, site_effect=site_effect, rng=rng)
    sites = phenotype["site"].str.removeprefix("site").astype(int) - 1
    lengths = rng.integers(n_volumes[0], n_volumes[1], n_subjects, endpoint=True)
    series = [
        regional_series(
            length,
            networks=pd.factorize(regions["network"])[0],
            affected=affected,
            diagnosis=diagnosis,
            mean_fd=mean_fd,
            site_map=maps[site],
            effect=effect,
            dynamic_effect=dynamic_effect,
            rng=rng,
        ).astype(np.float32)
        for length, site, diagnosis, mean_fd in zip(
            lengths, sites, phenotype["diagnosis"], phenotype["mean_fd"], strict=True
        )
    ]
    thickness = _thickness(phenotype, affected, effect=thickness_effect, rng=rng)
    fc = np.stack([np.corrcoef(x, rowvar=False) for x in series]).astype(np.float32)
    return Cohort(
        _blank(phenotype, missing, rng).assign(repetition_time=t_r),
        regions.assign(affected=affected),
        timeseries=series,
        connectivity={"fc": fc},
        measures={"thickness": thickness},
        provenance={
            "source": "brainograph.datasets.simulate_cohort",
            "random_state": random_state,
            "truth": {
                "regions": regions.index[affected].tolist(),
                "edges": planted_edges(regions, affected),
                "effect": effect,
                "dynamic_effect": dynamic_effect,
                "thickness_effect": thickness_effect,
                "site_effect": site_effect,
                "motion_effect": motion_effect,
            },
        },
    )
