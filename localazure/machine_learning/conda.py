"""Conda files as requirements that uv can install: Python's version, the pip section, packages that PyPI has too."""

import re
from collections.abc import Iterable
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

# Packages of conda-forge whose PyPI distribution of that name is the same software.
_SAME_NAME = (
    "azure-identity", "azure-storage-blob", "azureml-mlflow", "beautifulsoup4", "black", "bokeh", "boto3",
    "catboost", "click", "cloudpickle", "cryptography", "cython", "dask", "deltalake", "distributed",
    "duckdb", "fastapi", "flask", "fsspec", "h5py", "httpx", "ipykernel", "ipython", "jinja2", "joblib",
    "jsonschema", "jupyter", "keras", "lightgbm", "lxml", "matplotlib", "mlflow", "mlflow-skinny", "networkx",
    "nltk", "notebook", "numba", "numpy", "onnx", "openpyxl", "optuna", "pandas", "pillow", "plotly",
    "polars", "prophet", "protobuf", "psutil", "pyarrow", "pydantic", "pyspark", "pytest", "python-dateutil",
    "pytz", "pyyaml", "requests", "rich", "ruamel.yaml", "s3fs", "scikit-image", "scikit-learn", "scipy",
    "seaborn", "shap", "spacy", "sqlalchemy", "statsmodels", "sympy", "tensorboard", "tensorflow", "torch",
    "torchvision", "tqdm", "transformers", "typing-extensions", "uvicorn", "xarray", "xgboost", "zarr",
)  # fmt: skip
# What PyPI calls otherwise.
_OTHER_NAME = {
    "dask-core": "dask",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "pytables": "tables",
    "pytorch": "torch",
    "ruamel_yaml": "ruamel.yaml",
    "seaborn-base": "seaborn",
    "tensorflow-cpu": "tensorflow-cpu",
}
CONDA_TO_PYPI = {**{name: name for name in _SAME_NAME}, **_OTHER_NAME}

_OF_UV = ("pip", "setuptools", "wheel")  # what every environment has, or needs no more
_PYTHON = re.compile(r"={1,2}\s*(\d+\.\d+)(?:[.\d*]*)(?:=\S*)?")
_PACKAGE = re.compile(r"(?:[\w./-]+::)?(?P<name>[\w.-]+)\s*(?P<version>.*)")
_VERSION = re.compile(r"(?P<operator>={0,2})\s*(?P<version>[\w.*+!]+)(?:[=\s]\S+)?")


class EnvironmentFailed(RuntimeError):
    """The environment cannot be built; the message says what to change and where."""


def read_conda(text: str, default_python: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """(Python's minor version, requirements for pip, what a reader of the build's log should know).

    Raises `EnvironmentFailed` for what is no conda file, and for packages that only conda has, naming all of them.
    """
    content = _content(text)
    python, pip, notes, unknown = default_python, list[str](), list[str](), list[str]()
    for item in content["dependencies"]:
        if isinstance(item, dict):
            pip += [str(line).strip() for line in item.get("pip") or []]  # pyright: ignore  # YAML
            continue
        match = _PACKAGE.fullmatch(str(item).strip())
        name, version = (match["name"].lower(), match["version"].strip()) if match else (str(item), "")
        if name == "python":
            python = _python(version, default_python)
        elif name in CONDA_TO_PYPI and (requirement := _requirement(name, version)):
            pip.append(requirement)
            notes.append(f"The conda package {item} is installed from PyPI as {requirement}.")
        elif name not in _OF_UV:
            unknown.append(str(item))
    if unknown:
        raise EnvironmentFailed(_unknown(unknown))
    return python, tuple(pip), (*_about_channels(content.get("channels") or ()), *notes)


def _content(text: str) -> dict[str, Any]:
    try:
        content = YAML(typ="safe").load(text)
    except YAMLError as error:
        raise EnvironmentFailed(f"The conda file is no YAML: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("dependencies"), list):  # pyright: ignore  # YAML
        raise EnvironmentFailed("The conda file has no list `dependencies`.")
    return content  # pyright: ignore  # YAML


def _python(version: str, default: str) -> str:
    if not version:
        return default
    if match := _PYTHON.fullmatch(version):
        return match[1]
    raise EnvironmentFailed(f"The conda file asks for python{version}: name one version, as in python=3.12.")


def _requirement(name: str, version: str) -> str | None:
    """Conda's `=1.2` means any 1.2; a build after the version is left out. None for what pip cannot express."""
    target = CONDA_TO_PYPI[name]
    if not version or re.fullmatch(r"(?:(?:>=|<=|>|<|!=|~=)\s*[\w.*]+\s*,?\s*)+", version):
        return f"{target}{version.replace(' ', '')}"
    match = _VERSION.fullmatch(version)
    if match is None:
        return None
    exact = match["operator"] == "==" or match["version"].endswith("*")
    return f"{target}=={match['version']}{'' if exact else '.*'}"


def _unknown(packages: Iterable[str]) -> str:
    return (
        f"The conda file asks for {', '.join(packages)}, which cannot be honoured: environments are built by uv from "
        "PyPI here, without conda. Move what PyPI has to the `pip:` section; install system libraries on this machine."
    )


def _about_channels(channels: Iterable[object]) -> tuple[str, ...]:
    named = ", ".join(map(str, channels))
    return (f"The channels {named} are not asked: packages come from PyPI.",) if named else ()
