"""Azure Machine Learning: workspaces, a registry, jobs that run as processes, batch endpoints, MLflow tracking."""

from localazure.machine_learning.service import MachineLearning

__all__ = ["MachineLearning"]
