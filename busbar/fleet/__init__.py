"""The fleet's configuration: its schema, its loading, and what is rendered from it for the components."""

from busbar.fleet.loading import load_fleet
from busbar.fleet.problems import ConfigurationErrors, Problem

__all__ = ["ConfigurationErrors", "Problem", "load_fleet"]
