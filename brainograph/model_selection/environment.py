"""The environment of a run: versions and hardware, for ``provenance.json``."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import brainograph

__all__ = ["environment", "versions"]

_PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "nilearn", "torch", "torch-geometric")
_IF_INSTALLED = ("joblib", "lightning", "monai", "optuna", "distributed")


def versions() -> dict[str, str]:
    """Return the versions that numbers may depend on.

    Examples
    --------
    >>> {"brainograph", "numpy", "torch"} <= set(versions())
    True
    """
    found = {"brainograph": brainograph.__version__, "python": platform.python_version()}
    for name in (*_PACKAGES, *_IF_INSTALLED):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def environment() -> dict[str, Any]:
    """Return the versions, the hardware of this machine and the command."""
    return {
        "brainograph": brainograph.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": "GPU" if torch.cuda.is_available() else "CPU",
        "hardware": {
            "cpu": _cpu_model(),
            "n_cpus": os.cpu_count(),
            "memory_gib": _memory_gib(),
            "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        },
        "versions": {k: v for k, v in versions().items() if k not in ("brainograph", "python")},
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def _cpu_model() -> str:
    """Return the name of the processor; only Linux has it in a file."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    """Return the memory of the machine, where the system tells it."""
    names = getattr(os, "sysconf_names", {})
    if not {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= set(names):
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
