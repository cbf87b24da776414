"""The fleet's configuration: its schema, its loading, and what is rendered from it for the components."""

from busbar.fleet.loading import branch_table, load_fleet
from busbar.fleet.problems import ConfigurationErrors, Problem

__all__ = ["ConfigurationErrors", "Problem", "branch_table", "load_fleet"]
