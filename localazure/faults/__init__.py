"""Faults on demand: what may go wrong in Azure, when it is asked for, as often and as long as it is asked for."""

from localazure.faults.fault import Fault, FaultError, Injection
from localazure.faults.registry import Faults, Planted

__all__ = ["Fault", "FaultError", "Faults", "Injection", "Planted"]
