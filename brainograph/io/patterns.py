"""Files named by participant: ``data/{participant_id}_*_T1w.nii.gz``."""

import os
import re
from pathlib import Path

__all__ = ["match_files"]

_FIELD = "{participant_id}"


def _as_regex(pattern: str) -> re.Pattern[str]:
    """Translate ``*``, ``?``, ``**/`` and the participant's field; a second field repeats it."""
    parts = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    text, seen = "", False
    for token in re.split(r"(\{participant_id\}|\*\*/|\*|\?)", pattern):
        if token == _FIELD:
            text += r"(?P=participant_id)" if seen else r"(?P<participant_id>[^/]+?)"
            seen = True
        else:
            text += parts.get(token, re.escape(token))
    return re.compile(text)


def match_files(pattern: str | os.PathLike[str]) -> dict[str, Path]:
    """Return the file of each participant.

    Parameters
    ----------
    pattern : str
        A path with ``{participant_id}`` where the participant stands, and ``*``, ``?``, ``**/``
        as in a shell.

    Returns
    -------
    dict
        Participant to path, sorted.

    Raises
    ------
    ValueError
        If the pattern does not name the participant, or if two files fit one participant.
    FileNotFoundError
        If no file fits.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "sub-01_run-1_T1w.nii.gz").touch()
    >>> list(match_files(folder / "{participant_id}_*_T1w.nii.gz"))
    ['sub-01']
    """
    text = Path(pattern).as_posix()
    if _FIELD not in text:
        raise ValueError(
            f"the pattern {text!r} does not say where the participant stands. "
            "Write {participant_id}, for example 'vbm/{participant_id}_*_GM.nii.gz'."
        )
    fixed = Path(text.split(_FIELD)[0].split("*")[0].split("?")[0] + "x").parent
    regex = _as_regex(text)
    found: dict[str, list[Path]] = {}
    for path in sorted(fixed.rglob("*") if fixed.is_dir() else ()):
        if (match := regex.fullmatch(path.as_posix())) and path.is_file():
            found.setdefault(match["participant_id"], []).append(path)
    twice = [key for key, paths in found.items() if len(paths) > 1]
    if twice:
        names = ", ".join(path.name for path in found[twice[0]][:3])
        raise ValueError(
            f"the pattern {text!r} fits {len(found[twice[0]])} files of {twice[0]}: {names}. "
            "Write more of the name, so that one file fits each participant."
        )
    if not found:
        raise FileNotFoundError(
            f"no file fits the pattern {text!r}. Check the folder and the name."
        )
    return {key: paths[0] for key, paths in found.items()}
