"""How a stage names what is registered: dev its workspace's own, the other stages the registry's."""

from busbar.domain.policies import Stage
from busbar.domain.records import Served
from busbar.settings import Settings


def component(name: str, build: str, stage: Stage, settings: Settings) -> str:
    """A component's build."""
    if stage is Stage.DEV:
        return f"azureml:{name}:{build}"
    return f"azureml://registries/{settings.registry}/components/{name}/versions/{build}"


def model(served: Served, stage: Stage, settings: Settings) -> str:
    """The model behind a deployment."""
    if stage is Stage.DEV:
        return f"azureml:{served.model_name}:{served.model_version}"
    place = f"azureml://registries/{settings.registry}/models"
    return f"{place}/{served.model_name}/versions/{served.model_version}"
