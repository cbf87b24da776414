"""The page of Event Grid: what a person sees and does there."""

import re

from tests.localazure.event_grid.conftest import admin, an_event, everything, metrics, publisher

PAGE = "/admin/event_grid"
HTML = {"accept": "text/html"}
FORM = {"topic": "busbar", "type": "Orders.Created", "subject": "orders/1", "data": '{"n": 5}'}


def page(azure):
    return azure.http.get(PAGE, headers=HTML).raise_for_status().text.replace("<wbr>", "")


def test_subscriptions_are_shown_with_what_they_take_and_how_it_goes(start, receiver, wait):
    filters = [{"operator_type": "NumberGreaterThan", "key": "data.n", "value": 3}]
    azure = start(
        [
            everything(advanced_filters=filters, subject_begins_with="<plants>"),
            everything(
                name="hook",
                webhook="http://localhost:1/x?code=secret",
                delivery_schema="CloudEventSchemaV1_0",
            ),
        ]
    )
    text = page(azure)
    for shown in ("data.n NumberGreaterThan 3", "subject begins with &lt;plants&gt;", "receive_event"):
        assert shown in text
    assert "http://localhost:1/x" in text
    assert "secret" not in text
    assert "not validated yet" in text
    assert "CloudEvents" in text


def test_what_waits_and_what_was_given_up_is_shown_and_redelivered(start, receiver, wait):
    receiver.statuses = [400, 500]
    azure = start(time_scale=1)
    publisher(azure).send(an_event(event_type="Refused"))
    wait(lambda: metrics(azure)["dropped"] == 1)
    publisher(azure).send(an_event(event_type="Failing"))
    wait(lambda: metrics(azure)["failed"] == 2)
    text = page(azure)
    assert re.search(r"Failing.*GenericError.*in 1[01] s", text, re.DOTALL)
    assert re.search(r"Refused.*UndeliverableDueToHttpBadRequest.*dropped", text, re.DOTALL)
    action = re.search(r'action="([^"]+/redeliver)"', text)
    assert action
    answer = azure.http.post(action[1], headers=HTML)
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, PAGE)
    assert "Queued" in azure.http.get(answer.headers["location"], headers=HTML).text
    wait(lambda: metrics(azure)["delivered"] == 1)
    assert azure.http.post(action[1]).status_code == 404


def test_an_event_is_published_by_the_form(start, receiver):
    azure = start()
    answer = azure.http.post(f"{PAGE}/publish", data=FORM, headers=HTML)
    assert answer.status_code == 303
    assert "Published Orders.Created" in azure.http.get(answer.headers["location"], headers=HTML).text
    [got] = receiver.wait_for(1)
    [event] = got.json
    assert (event["eventType"], event["subject"], event["data"]) == ("Orders.Created", "orders/1", {"n": 5})


def test_a_topic_of_cloud_events_gets_one(start, receiver):
    azure = start([everything(source="clouds")])
    azure.http.post(f"{PAGE}/publish", data=FORM | {"topic": "clouds"}, headers=HTML)
    assert receiver.wait_for(1)[0].json["specversion"] == "1.0"


def test_a_mistake_in_the_form_is_named_and_nothing_is_lost(start):
    azure = start()
    for change, named in (
        ({"data": "{n: 5}"}, "property name"),
        ({"type": ""}, "eventType"),
        ({"topic": "nowhere"}, "no topic"),
    ):
        text = azure.http.post(f"{PAGE}/publish", data=FORM | change, headers=HTML).text
        assert named in text
        assert 'value="orders/1"' in text
    assert admin(azure)["counters"]["published"] == 0
