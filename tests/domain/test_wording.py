"""How sentences list and count."""

import pytest

from busbar.domain.wording import counted, listed


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), ""),
        (("ml-lead",), "ml-lead"),
        (("ml-lead", "qa-lead"), "ml-lead and qa-lead"),
        (("ml-lead", "qa-lead", "plant-lead"), "ml-lead, qa-lead and plant-lead"),
    ],
)
def test_names_are_listed_as_one_would_say_them(names: tuple[str, ...], said: str):
    assert listed(iter(names)) == said


def test_one_of_a_kind_has_no_plural():
    assert [counted(number, "circuit") for number in (0, 1, 2)] == ["0 circuits", "1 circuit", "2 circuits"]
