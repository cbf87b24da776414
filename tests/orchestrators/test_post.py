"""Events that come twice, before anybody waits for them, or never: nothing is done twice, nothing waits for ever."""

from pathlib import Path

import pytest

from tests.orchestrators.crashing import Post, play
from tests.orchestrators.scenes import SCENES, all_but, undisturbed


@pytest.mark.parametrize("name", all_but("training", "overtaken"))
@pytest.mark.parametrize("post", [Post.TWICE, Post.EARLY, Post.LOST])
def test_whatever_the_post_does_the_end_is_the_same(tmp_path: Path, post: Post, name: str) -> None:
    played = play(tmp_path / "hub.db", SCENES[name], post=post)
    assert not played.differs_from(undisturbed(name))
