"""Gates: does a trained model pass? Adding one is a function in a module here and a line in `GATES`."""

from busbar.domain.gates.evaluation import GATES, GateInput, GateResult, Metrics, evaluate, passed, summary

__all__ = ["GATES", "GateInput", "GateResult", "Metrics", "evaluate", "passed", "summary"]
