"""Long-running operations: every one is done when its request has been answered, and says so when it is polled."""

import uuid
from collections.abc import Sequence

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from localazure.machine_learning.context import Context
from localazure.machine_learning.routing import Call, Json, route

_PATH = "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"


class Operations:
    def __init__(self, context: Context):
        self._authorize = context.authorize
        config = context.runtime.config
        path = _PATH.format(subscription=config.subscription_id, location=config.location)
        self._base = f"{context.runtime.addresses.azure}{path}"

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return (
            route("GET", f"{_PATH}/mfeOperationsStatus/{{operation}}", self.status, self._authorize),
            route("GET", f"{_PATH}/mfeOperationResults/{{operation}}", self.result, self._authorize),
        )

    def status(self, call: Call) -> Json:
        return {"id": call.url_path, "name": call.path["operation"], "status": "Succeeded"}

    def result(self, call: Call) -> Response:
        return Response(status_code=200)

    def accepted(self, resource: Json, status: int) -> Response:
        """The answer to a PUT: the resource and where to ask whether it is done."""
        headers = {
            "Azure-AsyncOperation": f"{self._base}/mfeOperationsStatus/{uuid.uuid4()}",
            "Retry-After": "1",
        }
        return JSONResponse(resource, status, headers=headers)

    def accepted_empty(self) -> Response:
        """The answer to a POST or DELETE that gives nothing back."""
        headers = {"Location": f"{self._base}/mfeOperationResults/{uuid.uuid4()}", "Retry-After": "1"}
        return Response(status_code=202, headers=headers)
