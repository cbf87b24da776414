"""Finding and starting the local Azure."""

import subprocess
import sys
from pathlib import Path

import pytest

from demo.server import Server, ServerError, read_environment, running


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("A=1\nB='two words'\n", {"A": "1", "B": "two words"}),
        ("export A=https://x/?a=b\n", {"A": "https://x/?a=b"}),
        ("# nothing\n", {}),
        ('JSON=\'{"dev": "a/b"}\'\n', {"JSON": '{"dev": "a/b"}'}),
    ],
)
def test_the_environment_file(text: str, read: dict[str, str]) -> None:
    assert read_environment(text) == read


def test_a_child_that_ends_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "localazure.log").write_text("first\nthe port is taken\n")
    child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    child.wait()
    with pytest.raises(ServerError, match=r"status 3.*\n.*\nthe port is taken"):
        Server(tmp_path, {}, child).check()


def test_a_configuration_that_is_wrong_stops_at_once(tmp_path: Path) -> None:
    config = tmp_path / "local.yaml"
    config.write_text("nonsense: 1\n")
    with pytest.raises(ServerError, match="nonsense"), running(config, tmp_path / "state"):
        pytest.fail("it cannot run")
