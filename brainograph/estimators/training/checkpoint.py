"""Checkpoints of a training that may be killed; reading one runs no code that came with it."""

import io
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from brainograph.files import json_text, replace_on_success

__all__ = ["Checkpoint", "from_bytes", "to_bytes"]


@dataclass(frozen=True)
class Checkpoint:
    """A file that keeps the state of one training.

    Parameters
    ----------
    path : path
        The file.
    made_of : mapping of name to JSON value
        What the training is of: network, settings, data. A checkpoint of something else is
        refused.
    """

    path: Path
    made_of: Mapping[str, Any]

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state, whole or not at all."""
        with replace_on_success(self.path) as part:
            torch.save({"made_of": json_text(self.made_of), **state}, part)

    def load(self) -> dict[str, Any] | None:
        """Read the state, None if there is none.

        Raises
        ------
        ValueError
            If the file is not a checkpoint, or one of another training.
        """
        if not self.path.is_file():
            return None
        try:
            state = from_bytes(self.path.read_bytes())
            earlier = json.loads(state.pop("made_of"))
        except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, AttributeError) as error:
            raise ValueError(
                f"{self.path} is not a checkpoint, or is damaged. Delete it to begin anew."
            ) from error
        now = json.loads(json_text(self.made_of))
        other = [name for name in now if now[name] != earlier.get(name)]
        if other:
            listed = "; ".join(f"{n} {earlier.get(n)!r} and not {now[n]!r}" for n in other)
            raise ValueError(
                f"{self.path} is a checkpoint of another training: {listed}. Choose another "
                "folder with checkpoint=..., or delete the file to begin anew."
            )
        return state


def to_bytes(state: Any) -> bytes:
    """Return tensors and plain values as bytes."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def from_bytes(content: bytes) -> Any:
    """Return what :func:`to_bytes` was given, on the CPU.

    Examples
    --------
    >>> from_bytes(to_bytes({"epoch": 3}))
    {'epoch': 3}
    """
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
