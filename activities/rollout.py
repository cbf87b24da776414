"""Before a release touches a stage: which of its circuits go, and whether Azure ML has room for them."""

from concurrent.futures import ThreadPoolExecutor

from activities.records import stored_release
from activities.room import AT_ONCE, Wanted, lacking
from activities.serving import names_of
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.domain.gates import passed, summary
from busbar.domain.records import DeploymentRecord
from busbar.domain.release import Pin
from busbar.domain.steps import CircuitDeployment, DeploymentPlan, StageDeployment
from busbar.settings import Settings


def plan_deployment(
    request: StageDeployment, *, ml: MachineLearning, records: Records, settings: Settings
) -> DeploymentPlan:
    """The pins that go, and why the others stay back: a gate, an older version, a model the registry does not have.

    Where what goes would break a quota nothing may be begun: a refusal names the endpoint and the numbers.
    """
    release = stored_release(request.release.id, records)
    pins = [pin for pin in release.pins if pin.key in request.release.kept]
    serving = {record.key: record for record in records.deployments(request.stage)}

    def hold(pin: Pin) -> str:
        return _hold(pin, request, serving.get(pin.key), ml)

    with ThreadPoolExecutor(AT_ONCE) as looking:
        reasons = list(looking.map(hold, pins))
    held = tuple(
        (pin.key, f"{pin.key} held back: {reason}")
        for pin, reason in zip(pins, reasons, strict=True)
        if reason
    )
    going = tuple(pin for pin, reason in zip(pins, reasons, strict=True) if not reason)
    quotas = request.release.policies.quotas
    return DeploymentPlan(
        going, held, lacking(quotas, request.stage, _names(request, going, settings), ml, records)
    )


def _hold(pin: Pin, request: StageDeployment, serving: DeploymentRecord | None, ml: MachineLearning) -> str:
    if serving is not None and (mark := serving.mark(pin.deployment)):
        return f"{mark.sentence}; a person has to lift that first"
    if serving is not None and int(serving.model_version) > int(pin.model_version):
        return f"{request.stage} already serves version {serving.model_version}, this is {pin.model_version}"
    results = pin.judged(request.release.policies.demands(request.stage))
    if not passed(results):
        return summary(results)
    if not ml.model_in_registry(pin.model_name, pin.model_version):
        return f"model {pin.model_name}:{pin.model_version} is not in the registry: promote it first"
    return ""


def _names(request: StageDeployment, pins: tuple[Pin, ...], settings: Settings) -> Wanted:
    policies = request.release.policies
    return {pin.key: names_of(CircuitDeployment(request.stage, pin, policies), settings) for pin in pins}
