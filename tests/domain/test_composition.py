"""What a person may compose a release set of."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busbar.domain.circuits import CircuitKey
from busbar.domain.composition import Candidacy, Wanted, objections, parse_pins
from busbar.domain.errors import BadRequest
from busbar.domain.policies import Policies, Stage, StagePolicy, Thresholds
from tests.domain.pins import pin

KEY = CircuitKey("PLANT1", "CIRC1")
WANTED = Wanted(KEY, "3")
STRICT = Policies(stages={Stage.DEV: StagePolicy(Thresholds(max_mae=0.5))})


def test_pins_are_read_in_order():
    assert parse_pins(" PLANT2/CIRC2=1, PLANT1/CIRC1=3 ,") == (
        WANTED,
        Wanted(CircuitKey("PLANT2", "CIRC2"), "1"),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "needs one circuit at least"),
        (" , ", "needs one circuit at least"),
        ("PLANT1/CIRC1", "'PLANT1/CIRC1' is not PLANT/CIRCUIT=VERSION"),
        ("PLANT1/CIRC1=", "is not PLANT/CIRCUIT=VERSION"),
        ("PLANT1/CIRC1=0", "is not PLANT/CIRCUIT=VERSION"),
        ("PLANT1/CIRC1=v3", "is not PLANT/CIRCUIT=VERSION"),
        ("PLANT1/CIRC1=-1", "is not PLANT/CIRCUIT=VERSION"),
        ("PLANT1/CIRC1=9999999999", "is not PLANT/CIRCUIT=VERSION"),
        ("PLANT1/CIRC1=٣", "is not PLANT/CIRCUIT=VERSION"),
        ("PLANT1=3", "'PLANT1' is not PLANT/CIRCUIT"),
        ("P/../C=3", "is not PLANT/CIRCUIT"),
        ("PLANT1/CIRC1=3,PLANT1/CIRC1=3", "PLANT1/CIRC1 more than once"),
        ("PLANT1/CIRC1=3,PLANT1/CIRC2=1,PLANT1/CIRC1=4", "PLANT1/CIRC1 more than once"),
        (",".join(f"PLANT1/C{n}=1" for n in range(1001)), "1001 circuits"),
    ],
)
def test_what_is_wrong_is_named(text: str, problem: str):
    with pytest.raises(BadRequest) as refused:
        parse_pins(text)
    assert refused.value.field == "pins"
    assert problem in str(refused.value)


@settings(deadline=None)
@given(st.text())
def test_any_other_text_is_read_or_refused(text: str):
    def read() -> object:
        try:
            return parse_pins(text)
        except BadRequest as refused:
            return refused.field

    assert read() == "pins" or all(isinstance(one, Wanted) for one in parse_pins(text))


@pytest.mark.parametrize(
    ("candidacy", "policies", "objection"),
    [
        (Candidacy(WANTED, pin(), True), Policies(), None),
        (Candidacy(WANTED, pin(), True, known_circuit=False), Policies(), "PLANT1/CIRC1: there is no such circuit"),
        (Candidacy(WANTED, pin(), False), Policies(), "PLANT1/CIRC1=3: there is no such model version"),
        (Candidacy(WANTED, None, False), Policies(), "PLANT1/CIRC1=3: there is no such model version"),
        (Candidacy(WANTED, None, True), Policies(), "PLANT1/CIRC1=3: no training run of Busbar has registered it"),
        (
            Candidacy(WANTED, pin(), True),
            STRICT,
            "PLANT1/CIRC1=3 failed its gates and is deployed nowhere: max_mae failed",
        ),
        (Candidacy(WANTED, pin(), True, deployed_to=(Stage.TEST,)), STRICT, None),
    ],
)  # fmt: skip
def test_a_model_may_go_or_a_sentence_says_why_not(
    candidacy: Candidacy, policies: Policies, objection: str | None
):
    found = objections([candidacy], policies)
    if objection is None:
        assert found == ()
    else:
        assert len(found) == 1
        assert found[0].startswith(objection), found
