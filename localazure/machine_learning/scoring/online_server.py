"""Serves one deployment's model over HTTP. Runs in the deployment's own environment, so it needs Python alone.

`python online_server.py --fd N` takes connections from the listening socket N once the model is loaded. Environment:
AZUREML_MODEL_DIR, and AZUREML_ENTRY_SCRIPT (a file with `init()` and `run(raw)`); without a script the folder holds an
MLflow model, which is asked with `{"input_data": …, "params": …}`.
"""

import argparse
import importlib.util
import inspect
import json
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Run = Callable[[str], Any]
Answer = tuple[int, bytes, str, bool]  # status, body, content type, whether `run` failed

_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."


def load() -> Run:
    """The deployment's `run`, after its `init`."""
    script = os.environ.get("AZUREML_ENTRY_SCRIPT")
    return _from_script(Path(script)) if script else _from_mlflow(Path(os.environ["AZUREML_MODEL_DIR"]))


def _from_script(path: Path) -> Run:
    sys.path.insert(0, str(path.parent))
    specification = importlib.util.spec_from_file_location("entry_script", path)
    if specification is None or specification.loader is None:
        raise ImportError(f"{path} is no Python file.")
    module = importlib.util.module_from_spec(specification)
    sys.modules["entry_script"] = module
    specification.loader.exec_module(module)
    if not callable(getattr(module, "run", None)):
        raise AttributeError(f"{path.name} has no function run(raw_data).")
    if callable(getattr(module, "init", None)):
        module.init()
    return module.run


def _from_mlflow(folder: Path) -> Run:
    mlflow = importlib.import_module("mlflow.pyfunc")
    model = mlflow.load_model(str(next(path.parent for path in sorted(folder.rglob("MLmodel")))))
    schema = model.metadata.get_input_schema()

    def run(raw: str) -> Any:
        payload = json.loads(raw)
        if not isinstance(payload, dict) or "input_data" not in payload:
            raise ValueError('The payload must be a JSON object with the key "input_data".')
        return _plain(model.predict(_table(payload["input_data"], schema), params=payload.get("params")))

    return run


def _table(data: Any, schema: Any) -> Any:
    """A DataFrame in pandas' split form or of records, or the arrays that a signature of tensors asks for."""
    numpy, pandas = importlib.import_module("numpy"), importlib.import_module("pandas")
    tensors = _asks_for_tensors(schema)
    if isinstance(data, dict) and "data" in data:
        table = pandas.DataFrame(data["data"], columns=data.get("columns"), index=data.get("index"))
        return table.to_numpy() if tensors else table
    if tensors:
        return _tensors(data, schema.input_names(), schema.numpy_types())
    if isinstance(data, dict) or (isinstance(data, list) and data and isinstance(data[0], dict)):
        return pandas.DataFrame(data)
    return numpy.asarray(data)


def _asks_for_tensors(schema: Any) -> bool:
    return schema is not None and schema.is_tensor_spec()


def _tensors(data: Any, names: list[str], types: list[Any]) -> Any:
    """The named arrays of a model that has several inputs, or the one array of one that has one."""
    numpy = importlib.import_module("numpy")
    if not isinstance(data, dict):
        return numpy.asarray(data, dtype=types[0])
    known = dict(zip(names, types, strict=False))
    return {name: numpy.asarray(value, dtype=known.get(name)) for name, value in data.items()}


def _plain(value: Any) -> Any:
    """What JSON can say: tables as records, arrays as lists."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return value.to_dict(orient="records")
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value


class Scorer:
    """One worker, as in the service's server: calls of `run` wait for each other, and the probe waits for them."""

    def __init__(self, run: Run):
        self._run = run
        self._lock = threading.Lock()

    def probe(self) -> Answer:
        with self._lock:
            return 200, b"Healthy", "text/html; charset=utf-8", False

    def score(self, raw: str) -> Answer:
        try:
            with self._lock:
                return _answer(self._run(raw))
        except Exception:  # noqa: BLE001 - whatever the deployment's own code raises is its failure
            traceback.print_exc()
            return 500, json.dumps({"message": _FAILED}).encode(), "application/json", True

    def describe(self) -> Answer:
        document = {
            "swagger": "2.0",
            "info": {
                "title": "ML service",
                "description": inspect.getdoc(self._run) or "",
                "version": "1.0",
            },
            "consumes": ["application/json"],
            "produces": ["application/json"],
            "paths": {
                "/": {"get": {"operationId": "ServiceHealthCheck", "responses": {"200": {}}}},
                "/score": {"post": {"operationId": "RunMLService", "responses": {"200": {}}}},
            },
        }
        return 200, json.dumps(document).encode(), "application/json", False


def _answer(result: Any) -> Answer:
    """What `run` gave as HTTP: a response object (Flask's, AMLResponse) as it is, anything else as JSON."""
    if hasattr(result, "get_data") and hasattr(result, "status_code"):
        return result.status_code, result.get_data(), result.content_type, result.status_code >= 500
    return 200, json.dumps(result).encode(), "application/json", False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    scorer: Scorer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/":
            self._send(self.scorer.probe(), 0.0)
        elif parts.path == "/swagger.json":
            self._send(self.scorer.describe(), 0.0)
        elif parts.path == "/score":
            self._score(json.dumps(dict(parse_qsl(parts.query))))
        else:
            self._send((404, b'{"message": "Not Found"}', "application/json", False), 0.0)

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        if urlsplit(self.path).path != "/score":
            self._send((404, b'{"message": "Not Found"}', "application/json", False), 0.0)
            return
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            message = json.dumps({"message": f"The body is not UTF-8: {error}"}).encode()
            self._send((400, message, "application/json", False), 0.0)
        else:
            self._score(text)

    def _score(self, raw: str) -> None:
        began = time.monotonic()
        answer = self.scorer.score(raw)
        self._send(answer, (time.monotonic() - began) * 1000)
        _say(f"{self.command} {self.path} {answer[0]} {(time.monotonic() - began) * 1000:.3f}ms")

    def _send(self, answer: Answer, milliseconds: float) -> None:
        status, body, content_type, failed = answer
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-ms-run-function-failed", str(failed))
        self.send_header("x-ms-run-fn-exec-ms", f"{milliseconds:.3f}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Only scoring is logged, by `_score`."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, descriptor: int, scorer: Scorer):
        handler = type("Handler", (_Handler,), {"scorer": scorer})
        super().__init__(("127.0.0.1", 0), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.socket(fileno=descriptor)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _end_with(parent: int) -> None:
    """End this process when the one that started it is gone."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="a listening socket")
    parser.add_argument("--parent", type=int, required=True, help="the process to end with")
    arguments = parser.parse_args()
    sys.path.pop(0)  # this file's folder: it is none of the deployment's
    threading.Thread(target=_end_with, args=(arguments.parent,), daemon=True).start()
    _say("Loading the model")
    server = _Server(arguments.fd, Scorer(load()))
    _say("Listening")
    server.serve_forever()


if __name__ == "__main__":
    main()
