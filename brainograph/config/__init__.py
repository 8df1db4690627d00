"""Experiment files: YAML, checked whole before any data is read."""

from brainograph.config.load import ConfigError, load_config, save_config
from brainograph.config.schema import Experiment

__all__ = ["ConfigError", "Experiment", "load_config", "save_config"]
