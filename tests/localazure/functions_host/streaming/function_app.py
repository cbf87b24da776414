"""HTTP functions that take and give bodies piece by piece, with Microsoft's FastAPI extension."""

import asyncio
from collections.abc import AsyncIterator

import azure.functions as func
from azurefunctions.extensions.http.fastapi import JSONResponse, Request, StreamingResponse

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="down/{count:int}", methods=["GET"])
async def down(req: Request) -> StreamingResponse:
    async def pieces() -> AsyncIterator[str]:
        for number in range(int(req.path_params["count"])):
            yield f"{number};"
            await asyncio.sleep(0.2)

    return StreamingResponse(pieces(), media_type="text/plain", headers={"x-query": req.query_params["q"]})


@app.route(route="up", methods=["POST"])
async def up(req: Request) -> JSONResponse:
    sizes = [len(piece) async for piece in req.stream()]
    return JSONResponse({"total": sum(sizes), "pieces": len(sizes) > 1}, status_code=201)


@app.route(route="bad")
async def bad(req: Request) -> JSONResponse:
    raise RuntimeError("bad on purpose")
