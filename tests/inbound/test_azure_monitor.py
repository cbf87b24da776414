"""Azure Monitor's common alert schema."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import BadRequest
from busbar.domain.events import DriftAlert
from busbar.inbound.azure_monitor import read_alert

ESSENTIALS = {"alertRule": "prod-drift", "monitorCondition": "Fired", "firedDateTime": "2025-12-09T13:58:24Z"}
CIRCUIT = {"circuit": "PLANT1/CIRC1"}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def alert(properties: Any = CIRCUIT, **essentials: Any) -> dict[str, Any]:
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {"essentials": ESSENTIALS | essentials, "alertContext": {}, "customProperties": properties},
    }


def test_an_alert_that_fired_names_its_circuit():
    assert read_alert(alert()) == DriftAlert(
        CircuitKey("PLANT1", "CIRC1"), "Azure Monitor: prod-drift fired at 2025-12-09T13:58:24Z"
    )


def test_one_that_resolved_is_no_reason_to_look():
    assert read_alert(alert(monitorCondition="Resolved")) is None


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "schemaId"),
        (alert() | {"schemaId": "other"}, "schemaId"),
        (alert() | {"data": []}, "data"),
        (alert() | {"data": {}}, "data.essentials.monitorCondition"),
        (alert(monitorCondition=7), "data.essentials.monitorCondition"),
        (alert(alertRule=None), "data.essentials.alertRule"),
        (alert(None), "data.customProperties.circuit"),
        (alert({}), "data.customProperties.circuit"),
        (alert({"circuit": "PLANT1"}), "circuits"),
        (alert("PLANT1/CIRC1"), "customProperties"),
    ],
)
def test_a_wrong_alert_names_the_field(document: dict[str, Any], field: str):
    with pytest.raises(BadRequest) as error:
        read_alert(document)
    assert error.value.field == field


@given(ANYTHING)
def test_nonsense_is_refused_by_name(nonsense: Any):
    with pytest.raises(BadRequest):
        read_alert(alert() | {"data": nonsense})
