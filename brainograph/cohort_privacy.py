"""Other names for participants, before data leave the laboratory."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable

import pandas as pd

from brainograph.cohort import Cohort

__all__ = ["hash_ids", "without_ids"]


def hash_ids(participant_ids: Iterable[str], *, key: str | None = None) -> list[str]:
    """Return a name for each participant that does not tell who it is: HMAC-SHA-256 of the id.

    Plain hashes do not hide ids: whoever knows what they look like hashes all of them. Here a key
    goes in, without which nobody can. Keep it as secret as the ids, or have none kept.

    Parameters
    ----------
    participant_ids : iterable of str
        The ids, each once.
    key : str, optional
        The same key gives the same names, so that tables can be joined. Without one a random key
        is used and forgotten: nobody can link the names again.

    Returns
    -------
    list of str
        ``sub-`` and 16 hexadecimal digits.

    Raises
    ------
    ValueError
        For an empty key.

    Examples
    --------
    >>> hash_ids(["sub-01", "sub-02"], key="kept in a safe")
    ['sub-83d359d10825d130', 'sub-fe9f842ce723ae2d']
    """
    if key == "":
        raise ValueError("key is empty: give a secret text, or None for names without a way back.")
    secret = secrets.token_bytes(32) if key is None else key.encode()
    digests = [hmac.new(secret, one.encode(), hashlib.sha256) for one in participant_ids]
    return [f"sub-{digest.hexdigest()[:16]}" for digest in digests]


def without_ids(cohort: Cohort, *, key: str | None = None) -> Cohort:
    """Return the cohort under names of :func:`hash_ids`, in their order.

    Columns of the phenotype that repeat the ids, paths of images, failures and provenance are left
    out, since they name participants. Age, site and the matrices themselves stay: a connectome
    can be recognised by whoever has another scan of the same person.

    Parameters
    ----------
    cohort : Cohort (S)
        The participants.
    key : str, optional
        As of :func:`hash_ids`.

    Returns
    -------
    Cohort (S)
        In the order of the new names, since the old order would tell who is who.

    Examples
    --------
    >>> phenotype = pd.DataFrame({"scan": ["01_rest", "02_rest"], "age": [20, 30]},
    ...                          index=["sub-01", "sub-02"])
    >>> other = without_ids(Cohort(phenotype, pd.DataFrame(index=["r1"])), key="secret")
    >>> other.phenotype
                          age
    participant_id
    sub-6020b4efa576d3db   20
    sub-a96c055122b11cd4   30
    """
    names = pd.Index(hash_ids(cohort.participant_ids, key=key), name="participant_id")
    telling = [name for name, column in cohort.phenotype.items() if _tells(column)]
    phenotype = cohort.phenotype.drop(columns=telling).set_axis(names)
    anonymous = Cohort(
        phenotype,
        cohort.regions,
        timeseries=cohort.timeseries,
        connectivity=cohort.connectivity,
        measures=cohort.measures,
        parcellations={
            name: Cohort(
                phenotype,
                one.regions,
                timeseries=one.timeseries,
                connectivity=one.connectivity,
                measures=one.measures,
            )
            for name, one in cohort.parcellations.items()
        },
    )
    return anonymous[names.argsort()]


def _tells(column: pd.Series) -> bool:
    """Tell whether a column repeats the ids: a long one once, or those of most."""
    pairs = [(_core(who), _core(value)) for who, value in column.dropna().items()]
    long = any(len(who) > 4 and who in value for who, value in pairs)
    same = [who in value or (len(value) > 2 and value in who) for who, value in pairs]
    return long or (len({value for _, value in pairs}) > 1 and sum(same) > len(column) / 2)


def _core(value: object) -> str:
    """Return the id without ``sub-`` and leading zeros: ``0050002`` and ``sub-50002`` are one."""
    return str(value).removeprefix("sub-").removesuffix(".0").lstrip("0")
