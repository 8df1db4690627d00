"""The log of a training: a CSV file that grows by a line an epoch, and TensorBoard on request."""

import os
from pathlib import Path

import pandas as pd

from brainograph.files import replace_on_success

__all__ = ["TrainingLog"]


class TrainingLog:
    """Write the history of a training to a folder, epoch by epoch.

    Parameters
    ----------
    folder : path
        Gets ``history.csv`` and, with ``tensorboard``, event files.
    tensorboard : bool
        Whether to write for TensorBoard: ``tensorboard --logdir FOLDER``.

    Raises
    ------
    ImportError
        If TensorBoard is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str], *, tensorboard: bool = False) -> None:
        self.folder = Path(folder)
        self._writer = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise ImportError(
                    "tensorboard=True needs TensorBoard. Write pip install 'brainograph[track]'."
                ) from error
            self._writer = SummaryWriter(str(self.folder))

    def write(self, history: pd.DataFrame) -> None:
        """Write all epochs to the CSV file and the last one to TensorBoard."""
        with replace_on_success(self.folder / "history.csv") as part:
            history.to_csv(part)
        if self._writer is not None:
            for name, value in history.iloc[-1].dropna().items():
                self._writer.add_scalar(str(name), value, int(history.index[-1]))
            self._writer.flush()

    def close(self) -> None:
        """Close the files."""
        if self._writer is not None:
            self._writer.close()
