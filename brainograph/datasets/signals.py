"""The generative model of the simulations: who takes part, and what their regions do."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.signal import lfilter

__all__ = ["affected_mask", "draw_participants", "planted_edges", "regional_series", "site_maps"]

_AFFECTED = ["Default_PCC", "Default_mPFC", "Salience_Insula"]
_AUTOCORRELATION = 0.4  # of neighbouring volumes, as in low-passed BOLD at a TR of 2 s
_BLOCK = 20  # volumes: how long a dynamic effect stays up or down


def affected_mask(regions: pd.DataFrame, affected_regions: Sequence[str] | None) -> np.ndarray:
    """Return which regions are affected, by default the PCC, mPFC and insula of both sides.

    Raises
    ------
    ValueError
        If a name is not in the table or if fewer than two regions are affected.
    """
    if affected_regions is None:
        return regions.index.str.replace(r"\d*_[LR]$", "", regex=True).isin(_AFFECTED)
    strangers = sorted(set(affected_regions) - set(regions.index))
    if strangers or len(set(affected_regions)) < 2:
        raise ValueError(
            f"affected_regions must be two or more of the {len(regions)} regions, got "
            f"{list(affected_regions)}. Write for example "
            f"affected_regions={regions.index[:2].tolist()}."
        )
    return regions.index.isin(affected_regions)


def planted_edges(regions: pd.DataFrame, affected: np.ndarray) -> list[list[str]]:
    """Return each pair of affected regions, by name."""
    names = regions.index[affected].tolist()
    return [[a, b] for i, a in enumerate(names) for b in names[i + 1 :]]


def _unique_ids(n_subjects: int, rng: np.random.Generator) -> list[str]:
    numbers = rng.choice(90_000, n_subjects, replace=False) + 10_000
    return [f"sub-{number}" for number in numbers]


def draw_participants(
    n_subjects: int,
    *,
    n_sites: int,
    prevalence: float | Sequence[float],
    motion_effect: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Draw participants whose identifier and row say nothing about their diagnosis.

    Parameters
    ----------
    n_subjects, n_sites : int
        Sites get equal shares of the participants.
    prevalence : float or sequence of n_sites floats
        Share of patients, at each site.
    motion_effect : float
        Cohen's d of the patients' log mean framewise displacement.
    rng : Generator
        Where the numbers come from.

    Returns
    -------
    DataFrame (S, 5)
        ``site``, ``age`` (years), ``sex``, ``diagnosis`` (1 patient) and ``mean_fd`` (mm).
    """
    given = np.atleast_1d(np.asarray(prevalence, dtype=float))
    if len(given) not in (1, n_sites):
        raise ValueError(
            f"prevalence must be one share or one for each of {n_sites} sites, got {len(given)}. "
            "For a half everywhere write prevalence=0.5."
        )
    shares = np.broadcast_to(given, n_sites)
    if shares.min() < 0 or shares.max() > 1:
        raise ValueError(f"prevalence must be in [0, 1], got {prevalence}. For a half write 0.5.")
    site = rng.permutation(np.arange(n_subjects) % n_sites)
    diagnosis = np.zeros(n_subjects, dtype=int)
    for number, share in enumerate(shares):
        members = rng.permutation(np.flatnonzero(site == number))
        diagnosis[members[: round(share * len(members))]] = 1
    log_fd = np.log(0.15) + 0.4 * (rng.normal(size=n_subjects) + motion_effect * diagnosis)
    return pd.DataFrame(
        {
            "site": [f"site{number + 1:02d}" for number in site],
            "age": rng.uniform(18, 65, n_subjects).round(1),
            "sex": rng.choice(["female", "male"], n_subjects),
            "diagnosis": diagnosis,
            "mean_fd": np.exp(log_fd).round(4),
        },
        index=pd.Index(_unique_ids(n_subjects, rng), name="participant_id"),
    )


def site_maps(
    n_sites: int, n_regions: int, *, site_effect: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw how each scanner loads on the regions: an artefact map (n_sites, R).

    Raises
    ------
    ValueError
        If ``site_effect`` would leave no room for the other factors.
    """
    if not 0 <= site_effect <= 4:
        raise ValueError(f"site_effect must be in [0, 4], got {site_effect}. For none write 0.")
    return rng.normal(size=(n_sites, n_regions)).clip(-1.5, 1.5) * 0.2 * np.sqrt(site_effect)


def _unit_noise(n_volumes: int, n_series: int, rng: np.random.Generator) -> np.ndarray:
    """Draw first-order autoregressive series (T, n_series) of unit variance."""
    burn_in = 10
    white = rng.standard_normal((n_volumes + burn_in, n_series))
    noise = lfilter([1.0], [1.0, -_AUTOCORRELATION], white, axis=0)[burn_in:]
    return noise * np.sqrt(1 - _AUTOCORRELATION**2)


def regional_series(
    n_volumes: int,
    *,
    networks: np.ndarray,
    affected: np.ndarray,
    diagnosis: int,
    mean_fd: float,
    site_map: np.ndarray,
    effect: float,
    dynamic_effect: float,
    rng: np.random.Generator,
) -> np.ndarray:
    r"""Draw the regional series of one participant from a factor model.

    .. math:: x_r(t) = \sqrt{\gamma} g(t) + \sqrt{\nu_{k(r)}} m_{k(r)}(t)
              + 1_{r \in A} \sqrt{\alpha(t)} a(t) + s_r u(t) + \sigma_r \epsilon_r(t)

    All factors have unit variance and :math:`\sigma_r` fills each region up to one, so a change
    of :math:`\alpha` changes the correlation among the affected regions A and no other.
    :math:`\gamma` grows with motion, :math:`\nu_k` differs by network and participant,
    :math:`s` is the scanner's map.

    Parameters
    ----------
    n_volumes : int
        T.
    networks : (R,) int
        The network of each region.
    affected : (R,) bool
        The set A.
    diagnosis : int
        1 patient, 0 control.
    mean_fd : float, mm
        Motion.
    site_map : (R,) float
        From :func:`site_maps`.
    effect : float
        Cohen's d of :math:`\alpha`.
    dynamic_effect : float
        In patients :math:`\alpha` goes up and down by half as many standard deviations in blocks
        of 20 volumes, around the same mean.
    rng : Generator
        Where the numbers come from.

    Returns
    -------
    (T, R) float64
    """
    n_networks = networks.max() + 1
    gamma = min(0.05 + 0.4 * mean_fd, 0.3)
    nu = rng.normal(0.3, 0.06, n_networks).clip(0.05, 0.45)[networks]
    centre = 0.25 + 0.1 * (rng.normal() + effect * (diagnosis - 0.5))
    phase = (np.arange(n_volumes) + rng.integers(2 * _BLOCK)) // _BLOCK % 2
    alpha = centre + 0.1 * dynamic_effect * diagnosis * (phase - 0.5)
    alpha = np.outer(alpha.clip(0, 0.55), affected)
    noise = (1 - gamma - nu - alpha - site_map**2).clip(0.05)

    factors = _unit_noise(n_volumes, 3 + n_networks + len(networks), rng)
    shared, local, scanner = factors[:, :3].T[:, :, np.newaxis]
    modules, own = np.split(factors[:, 3:], [n_networks], axis=1)
    return (
        np.sqrt(gamma) * shared
        + np.sqrt(nu) * modules[:, networks]
        + np.sqrt(alpha) * local
        + site_map * scanner
        + np.sqrt(noise) * own
    )
