"""Readers: files on disk to a :class:`~brainograph.cohort.Cohort`.

Each reader takes a folder, matches it with a table of participants and returns a cohort; what
could not be read is in ``cohort.failures`` with its reason.
"""

from brainograph.io.atlas import Atlas, load_atlas
from brainograph.io.collect import collect
from brainograph.io.cpac import read_cpac
from brainograph.io.extraction import extract_series
from brainograph.io.fmriprep import read_fmriprep
from brainograph.io.freesurfer import read_freesurfer
from brainograph.io.images import read_images
from brainograph.io.participants import read_participants
from brainograph.io.tables import read_tables
from brainograph.io.volumes import Volumes
from brainograph.io.xcpd import read_xcpd

__all__ = [
    "Atlas",
    "Volumes",
    "collect",
    "extract_series",
    "load_atlas",
    "read_cpac",
    "read_fmriprep",
    "read_freesurfer",
    "read_images",
    "read_participants",
    "read_tables",
    "read_xcpd",
]
