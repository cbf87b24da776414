"""git over HTTP: `git http-backend` for clone, fetch and push. Packs stream both ways."""

import asyncio
import base64
import binascii
import contextlib
import hmac
import logging
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable, Mapping
from email.parser import BytesParser

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive

from localazure.git_host.edits import LOGIN
from localazure.git_host.repository import Repository, environment, output_of

log = logging.getLogger(__name__)

_CHUNK_BYTES = 256 * 1024
_SERVICES = {"GET": ("info/refs",), "POST": ("git-upload-pack", "git-receive-pack")}


class SmartHttp:
    """Answers for the repositories to whoever has the token: as the password of any user, or as a bearer's."""

    def __init__(self, find: Callable[[Request], Repository | None], token: str):
        self._find, self._token = find, token

    async def __call__(self, request: Request) -> Response:
        if not self._is_known(request.headers.get("authorization", "")):
            headers = {"www-authenticate": 'Basic realm="localazure"'}
            return PlainTextResponse("The git token is required as the password.\n", 401, headers)
        repository, service = self._find(request), request.path_params["service"]
        if repository is None or service not in _SERVICES.get(request.method, ()):
            return PlainTextResponse("Repository not found.\n", 404)
        return await _run(request, repository, service)

    def _is_known(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return False
        elif scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given.encode(), self._token.encode())


def _variables(request: Request, repository: Repository, service: str) -> dict[str, str]:
    headers = request.headers
    given = {
        "CONTENT_TYPE": headers.get("content-type"),
        "CONTENT_LENGTH": headers.get("content-length"),
        "HTTP_CONTENT_ENCODING": headers.get("content-encoding"),
        "GIT_PROTOCOL": headers.get("git-protocol"),
    }
    return environment(
        GIT_PROJECT_ROOT=str(repository.path),
        GIT_HTTP_EXPORT_ALL="1",
        PATH_INFO=f"/{service}",
        QUERY_STRING=request.url.query,
        REQUEST_METHOD=request.method,
        REMOTE_USER=LOGIN,
        REMOTE_ADDR="127.0.0.1",
        **{name: value for name, value in given.items() if value is not None},
    )


async def _run(request: Request, repository: Repository, service: str) -> Response:
    variables = _variables(request, repository, service)
    process = await asyncio.create_subprocess_exec(
        "git", "http-backend", stdin=PIPE, stdout=PIPE, env=variables
    )
    feeding = asyncio.create_task(_feed(request, process))
    try:
        status, headers = await _head(process)
    except BaseException:
        await _end(process, feeding)
        raise
    return _WhileListening(feeding, _body(process, feeding), status, headers)


class _WhileListening(StreamingResponse):
    """An answer that begins before the request has ended: git's headers come at once, a push's pack takes a while."""

    def __init__(
        self,
        feeding: asyncio.Task[None],
        body: AsyncGenerator[bytes],
        status: int,
        headers: Mapping[str, str],
    ):
        super().__init__(body, status, headers)
        self._feeding = feeding

    async def listen_for_disconnect(self, receive: Receive) -> None:
        """Leave the request's body to whoever feeds it to git; only after it may a disconnect be waited for."""
        await asyncio.wait([self._feeding])
        await super().listen_for_disconnect(receive)


async def _feed(request: Request, process: Process) -> None:
    """Pass the request's body on as it comes; a git that has heard enough closes its ear."""
    ear = process.stdin
    if ear is None:
        raise RuntimeError("git http-backend was started without a pipe for its input")
    with contextlib.suppress(ClientDisconnect, BrokenPipeError, ConnectionResetError):
        async for chunk in request.stream():
            ear.write(chunk)
            await ear.drain()
    ear.close()


async def _head(process: Process) -> tuple[int, Mapping[str, str]]:
    """Status and headers, as CGI has them before the body."""
    lines: list[bytes] = []
    while (line := await output_of(process).readline()).strip():
        lines.append(line)
    fields = dict(BytesParser().parsebytes(b"".join(lines)).items())
    status = int(fields.pop("Status", "200 OK").split()[0]) if fields else 500
    return status, fields


async def _body(process: Process, feeding: asyncio.Task[None]) -> AsyncGenerator[bytes]:
    try:
        while chunk := await output_of(process).read(_CHUNK_BYTES):
            yield chunk
        if await process.wait():
            log.warning("git http-backend ended with %s", process.returncode)
    finally:
        await _end(process, feeding)


async def _end(process: Process, feeding: asyncio.Task[None]) -> None:
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    if process.returncode is None:
        process.kill()
        await process.wait()
