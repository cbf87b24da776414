"""How each service says that it is busy or broken: status, headers and body."""

from starlette.responses import JSONResponse, Response

_BUSY = "The fault throttle is in force: too many requests."
_BROKEN = "The fault error is in force: the service is not well."


def throttled(service: str, path: str, retry_after: float) -> Response:
    """429 with `Retry-After` (whole seconds, as the services give it)."""
    headers = {"Retry-After": str(max(0, round(retry_after)))}
    if service == "machine-learning" and path.startswith("/subscriptions/"):
        headers["x-ms-ratelimit-remaining-subscription-reads"] = "0"
    return JSONResponse(_body(service, path, "TooManyRequests", _BUSY), 429, headers)


def failed(service: str, path: str, status: int) -> Response:
    code = {503: "ServiceUnavailable", 504: "GatewayTimeout", 502: "BadGateway"}.get(
        status, "InternalServerError"
    )
    return JSONResponse(_body(service, path, code, _BROKEN), status)


def _body(service: str, path: str, code: str, message: str) -> dict[str, object]:
    if "/api/2.0/mlflow" in path:
        busy = code == "TooManyRequests"
        return {"error_code": "REQUEST_LIMIT_EXCEEDED" if busy else "INTERNAL_ERROR", "message": message}
    if service == "git-host" and "/_apis" in path:
        return {"$id": "1", "innerException": None, "message": message, "typeKey": code, "errorCode": 0}
    if service == "git-host":
        return {"message": message, "documentation_url": "https://docs.github.com/rest"}
    if service == "identity":
        return {"error": code, "error_description": message}
    return {"error": {"code": code, "message": message}}
