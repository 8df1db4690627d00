"""One line of an audit."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Status"]

Status = Literal["pass", "warn", "fail", "skipped"]


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Parameters
    ----------
    check : str
        Name of the check.
    status : {"pass", "warn", "fail", "skipped"}
        *fail*: the numbers of this study cannot be trusted as they are. *warn*: they can be
        misread, and the message says how. *skipped*: the check could not be made.
    value : float
        The number that decided; NaN where there is none.
    expected : str
        What the number is in a study that is clean.
    message : str
        What was found, in a sentence.
    """

    check: str
    status: Status
    value: float
    expected: str
    message: str
