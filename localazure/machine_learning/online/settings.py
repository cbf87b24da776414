"""An online deployment as it is asked for, read and checked."""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from localazure.machine_learning.endpoint_rules import refused
from localazure.machine_learning.routing import Json

MAX_INSTANCES = 50
MAX_REQUEST_TIMEOUT = timedelta(seconds=180)


class Wire(BaseModel):
    """Part of a body: camel-cased names, unknown ones ignored."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, protected_namespaces=())


class RequestSettings(Wire):
    request_timeout: timedelta = Field(default=timedelta(seconds=5), gt=timedelta(), le=MAX_REQUEST_TIMEOUT)
    max_concurrent_requests_per_instance: int = Field(default=1, ge=1)


class Probe(Wire):
    initial_delay: timedelta = timedelta(seconds=10)
    period: timedelta = Field(default=timedelta(seconds=10), gt=timedelta())
    timeout: timedelta = Field(default=timedelta(seconds=2), gt=timedelta())
    failure_threshold: int = Field(default=30, ge=1)

    @property
    def patience(self) -> float:
        """Seconds after the start until the probe has failed for good."""
        return (self.initial_delay + self.period * self.failure_threshold).total_seconds()


class CodeConfiguration(Wire):
    code_id: str
    scoring_script: str


class ScaleSettings(Wire):
    """A managed deployment has the instances asked for; Azure Monitor scales it, if anything does."""

    scale_type: Annotated[Literal["default"], BeforeValidator(lambda value: str(value).lower())] = "default"


class OnlineDeployment(Wire):
    """`instance_count` is the resource's `sku.capacity`."""

    endpoint_compute_type: Annotated[Literal["managed"], BeforeValidator(lambda value: str(value).lower())]
    instance_type: str = Field(pattern=r"^(?i:standard|basic)_[A-Za-z0-9_-]+$")
    instance_count: int = Field(default=1, ge=1, le=MAX_INSTANCES)
    model: str | None = None
    code_configuration: CodeConfiguration | None = None
    environment_id: str | None = None
    environment_variables: dict[str, str] = {}
    scale_settings: ScaleSettings = ScaleSettings()
    request_settings: RequestSettings = RequestSettings()
    liveness_probe: Probe = Probe()
    readiness_probe: Probe = Probe()

    @property
    def max_pending(self) -> int:
        """Requests at any time; the service refuses more."""
        return 2 * self.request_settings.max_concurrent_requests_per_instance * self.instance_count

    @property
    def timeout(self) -> float:
        """Seconds that a request may take."""
        return self.request_settings.request_timeout.total_seconds()

    @model_validator(mode="after")
    def _can_run(self) -> Self:
        if self.code_configuration and not self.environment_id:
            raise ValueError("environmentId is missing: a scoring script needs an environment")
        if not self.code_configuration and not self.model:
            raise ValueError("model is missing: without a codeConfiguration an MLflow model is served")
        return self

    @classmethod
    def read(cls, resource: Json) -> Self:
        """From an ARM resource or the body of a PUT; refuses with 400 what the service does not take."""
        count = (resource.get("sku") or {}).get("capacity")
        asked = {**(resource.get("properties") or {}), "instanceCount": count}
        return validated(cls, asked)


def validated[T: Wire](kind: type[T], asked: Json) -> T:
    """`asked` as a `kind`, nulls standing for defaults; refuses with 400 and names the first property that is wrong."""
    try:
        return kind.model_validate(_present(asked))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "properties"
        raise refused(f"{place}: {first['msg']} (given: {_short(first['input'])}).") from None


def _present(value: Any) -> Any:
    """Without nulls, which stand for defaults."""
    if isinstance(value, dict):
        return {key: _present(item) for key, item in value.items() if item is not None}
    return value


def _short(value: object) -> str:
    return repr(value) if isinstance(value, str | int | float) else type(value).__name__
