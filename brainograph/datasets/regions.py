"""Regions for simulations: named, symmetric, in MNI space, each in a functional network."""

import numpy as np
import pandas as pd

__all__ = ["mni_regions"]

# Network, region and the centre of its left half in MNI millimetres; the right half mirrors it.
_LEFT = [
    ("Default", "PCC", -8, -50, 28),
    ("Default", "mPFC", -8, 52, 4),
    ("Salience", "Insula", -38, 12, -2),
    ("Salience", "dACC", -8, 20, 36),
    ("Control", "dlPFC", -42, 34, 24),
    ("Control", "IPL", -46, -52, 46),
    ("Visual", "Calcarine", -10, -84, 4),
    ("Visual", "LateralOccipital", -38, -80, 4),
    ("Somatomotor", "Precentral", -38, -18, 56),
    ("Somatomotor", "Auditory", -54, -18, 8),
    ("Attention", "IPS", -26, -60, 52),
    ("Attention", "FEF", -26, -2, 56),
    ("Default", "Angular", -48, -66, 28),
    ("Default", "MTG", -58, -14, -18),
    ("Limbic", "OFC", -22, 32, -16),
    ("Limbic", "TemporalPole", -38, 10, -34),
    ("Subcortical", "Thalamus", -12, -18, 8),
    ("Subcortical", "Caudate", -12, 14, 8),
    ("Subcortical", "Putamen", -26, 2, 2),
    ("Subcortical", "Amygdala", -24, -4, -20),
    ("Limbic", "Hippocampus", -26, -24, -14),
    ("Salience", "SMG", -58, -34, 30),
    ("Attention", "MT", -46, -68, 0),
    ("Visual", "Fusiform", -34, -56, -16),
    ("Visual", "Cuneus", -8, -82, 26),
    ("Somatomotor", "Postcentral", -50, -18, 40),
    ("Somatomotor", "SMA", -8, -6, 60),
    ("Control", "IFG", -48, 22, 4),
]


def mni_regions(n_regions: int) -> pd.DataFrame:
    """Return a table of regions with mirror-symmetric centres, sorted by network.

    Beyond 56 regions, further parcels lie beside the named ones: ``Default_PCC2_L``.

    Parameters
    ----------
    n_regions : int
        How many; an odd number leaves the last pair without its right half.

    Returns
    -------
    DataFrame (R, 6)
        ``label`` (1 to R), ``x``, ``y``, ``z`` (MNI mm), ``hemisphere`` and ``network``, indexed
        by region name.

    Examples
    --------
    >>> mni_regions(4)[["x", "y", "z", "network"]]
                     x   y   z  network
    region
    Default_PCC_L   -8 -50  28  Default
    Default_PCC_R    8 -50  28  Default
    Default_mPFC_L  -8  52   4  Default
    Default_mPFC_R   8  52   4  Default
    """
    beside = np.random.default_rng(0)
    rows = []
    for pair in range((n_regions + 1) // 2):
        network, name, *centre = _LEFT[pair % len(_LEFT)]
        if round_ := pair // len(_LEFT):
            centre = np.rint(centre + beside.normal(0, 8, 3)).astype(int).tolist()
            centre[0] = min(centre[0], -4)
            name = f"{name}{round_ + 1}"
        for hemisphere, sign in (("L", 1), ("R", -1)):
            x, y, z = centre
            rows.append((f"{network}_{name}_{hemisphere}", sign * x, y, z, hemisphere, network))
    table = pd.DataFrame(
        rows[:n_regions], columns=["region", "x", "y", "z", "hemisphere", "network"]
    )
    table = table.sort_values("network", kind="stable").set_index("region")
    table.insert(0, "label", np.arange(1, n_regions + 1))
    return table
