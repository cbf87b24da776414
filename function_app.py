"""Every trigger of the app on one page: what arrives, and which room handles it."""

import logging

import azure.durable_functions as df
import azure.functions as func

from activities import ACTIVITIES
from busbar import wire
from busbar.bootstrap import bind
from busbar.durable import Orchestrations
from busbar.web import (
    alerts,
    approvals,
    audit,
    board,
    composing,
    controls,
    drift,
    environments,
    events,
    evidence,
    merges,
    operations,
    plots,
    releases,
    retention,
    rollbacks,
    schedules,
    traffic,
    webhooks,
)
from busbar.web.responses import respond
from orchestrators import ORCHESTRATORS

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)
log = logging.getLogger("busbar")

for orchestrator in ORCHESTRATORS:
    app.function_name(orchestrator.__name__)(
        app.orchestration_trigger(context_name="context")(wire.orchestration(orchestrator))
    )
for activity in ACTIVITIES:
    app.function_name(activity.__name__)(
        app.activity_trigger(input_name="request")(wire.activity(activity, bind(activity)))
    )


# --- events -----------------------------------------------------------------------------------------------


@app.route(route="api/webhooks/github", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def github_webhook(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(webhooks.github)(req.headers, req.get_body()))


@app.event_grid_trigger(arg_name="event")
@app.durable_client_input(client_name="client")
def receive_event(event: func.EventGridEvent, client: df.SyncDurableFunctionsClient) -> None:
    envelope = {
        "eventType": event.event_type,
        "subject": event.subject,
        "id": event.id,
        "data": event.get_json(),
    }
    log.info("%s", bind(events.receive)(envelope, Orchestrations(client)))


# --- people -----------------------------------------------------------------------------------------------


@app.route(route="approvals/{token}", methods=["GET", "HEAD"], auth_level=func.AuthLevel.ANONYMOUS)
def show_approval(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(approvals.show)(req.route_params["token"], req.headers))


@app.route(route="approvals/{token}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
def vote(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> func.HttpResponse:
    token, wake = req.route_params["token"], Orchestrations(client).voted
    return respond(lambda: bind(approvals.vote)(token, req.get_body(), req.headers, wake))


@app.route(route="{root:maxlength(0)?}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_board(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(board.board)(req.headers))


@app.route(route="circuits/{plant}/{circuit}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_circuit(req: func.HttpRequest) -> func.HttpResponse:
    plant, circuit = req.route_params["plant"], req.route_params["circuit"]
    return respond(lambda: bind(board.circuit_page)(plant, circuit, req.headers))


@app.route(route="drift", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_drift(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(drift.page)(req.params, req.headers))


@app.route(route="circuits/{plant}/{circuit}/drift", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_circuit_drift(req: func.HttpRequest) -> func.HttpResponse:
    plant, circuit = req.route_params["plant"], req.route_params["circuit"]
    return respond(lambda: bind(drift.circuit_page)(plant, circuit, req.params, req.headers))


@app.route(
    route="circuits/{plant}/{circuit}/drift/plot", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS
)
def show_distributions(req: func.HttpRequest) -> func.HttpResponse:
    plant, circuit = req.route_params["plant"], req.route_params["circuit"]
    return respond(lambda: bind(drift.plot)(plant, circuit, req.params))


@app.route(route="runs/{id}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
def show_run(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> func.HttpResponse:
    id = req.route_params["id"]
    return respond(lambda: bind(board.run_page)(id, Orchestrations(client), req.headers))


@app.route(route="runs/{id}/{action}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
def show_control(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> func.HttpResponse:
    id, action = req.route_params["id"], req.route_params["action"]
    return respond(lambda: bind(controls.show)(id, action, req.headers, Orchestrations(client)))


@app.route(route="runs/{id}/{action}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
def press_control(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> func.HttpResponse:
    id, action = req.route_params["id"], req.route_params["action"]
    hub = Orchestrations(client)
    return respond(lambda: bind(controls.press)(id, action, req.get_body(), req.headers, hub))


@app.route(
    route="releases/{id}/forecasts/{plant}/{circuit}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS
)
def show_forecast(req: func.HttpRequest) -> func.HttpResponse:
    place = (req.route_params[name] for name in ("id", "plant", "circuit"))
    return respond(lambda: bind(plots.forecast)(*place))


@app.route(route="releases", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_releases(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(releases.list_page)(req.params, req.headers))


@app.route(route="releases/{id}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_release(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(releases.one_page)(req.route_params["id"], req.headers))


@app.route(route="environments/{version}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_environment(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(environments.show)(req.route_params["version"], req.headers))


@app.route(route="releases/{id}/evidence", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_evidence(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(evidence.show)(req.route_params["id"], req.headers))


@app.route(route="merges", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_merges(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(merges.page)(req.headers))


@app.route(route="merges/{id}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_merge(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(merges.one)(req.route_params["id"], req.headers))


@app.route(route="retention", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_retention(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(retention.page)())


@app.route(route="retention/{id}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_retention_report(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(retention.one)(req.route_params["id"]))


@app.route(route="audit", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_audit(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(audit.page)(req.params, req.headers))


@app.route(route="rollbacks", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_rollback(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(rollbacks.show)(req.params, req.headers))


@app.route(route="rollbacks", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
def press_rollback(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> func.HttpResponse:
    return respond(lambda: bind(rollbacks.press)(req.get_body(), req.headers, Orchestrations(client)))


@app.route(route="rollbacks/{id}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_rollback_report(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(rollbacks.page)(req.route_params["id"]))


# --- operators and programs -------------------------------------------------------------------------------


@app.route(route="api/circuits", methods=["GET"])
def list_circuits(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(board.circuits_json)(req.headers))


@app.route(route="api/approvals", methods=["GET"])
def list_approvals(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(board.approvals_json)(req.headers))


@app.route(route="api/runs/{id}", methods=["GET"])
def read_run(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(board.run_json)(req.route_params["id"], req.headers))


@app.route(route="api/merges", methods=["GET"])
def list_merges(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(merges.merges_json)(req.headers))


@app.route(route="api/drift", methods=["GET"])
def list_drift(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(drift.drift_json)(req.params, req.headers))


@app.route(route="api/audit", methods=["GET"])
def read_audit(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(audit.entries_json)(req.params, req.headers))


@app.route(route="api/releases", methods=["GET"])
def list_releases(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(releases.list_json)(req.params, req.headers))


@app.route(route="api/releases/{id}", methods=["GET"])
def read_release(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(releases.one_json)(req.route_params["id"], req.headers))


@app.route(route="api/releases", methods=["POST"])
@app.durable_client_input(client_name="client")
def compose_release_set(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> func.HttpResponse:
    return respond(lambda: bind(composing.compose)(req.get_body(), Orchestrations(client)))


@app.route(route="api/trainings", methods=["POST"])
@app.durable_client_input(client_name="client")
def start_training(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> func.HttpResponse:
    return respond(lambda: bind(operations.start_training)(req.get_body(), Orchestrations(client)))


@app.route(route="api/environments/{version}", methods=["GET"])
def read_environment(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(environments.as_json)(req.route_params["version"], req.headers))


@app.route(route="api/environments", methods=["POST"])
@app.durable_client_input(client_name="client")
def start_environment_release(
    req: func.HttpRequest, client: df.SyncDurableFunctionsClient
) -> func.HttpResponse:
    return respond(lambda: bind(operations.start_environment_release)(req.get_body(), Orchestrations(client)))


@app.route(route="api/merges", methods=["POST"])
@app.durable_client_input(client_name="client")
def start_merge(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> func.HttpResponse:
    return respond(lambda: bind(operations.start_merge)(req.get_body(), Orchestrations(client)))


@app.route(route="api/scorings", methods=["POST"])
@app.durable_client_input(client_name="client")
def start_scoring(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> func.HttpResponse:
    return respond(lambda: bind(operations.start_scoring)(req.get_body(), Orchestrations(client)))


@app.route(route="api/monitorings", methods=["POST"])
@app.durable_client_input(client_name="client")
def start_monitoring(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> func.HttpResponse:
    return respond(lambda: bind(operations.start_monitoring)(req.get_body(), Orchestrations(client)))


@app.route(route="api/alerts", methods=["POST"])
@app.durable_client_input(client_name="client")
def receive_alert(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> func.HttpResponse:
    return respond(lambda: alerts.azure_monitor(req.get_body(), Orchestrations(client)))


@app.route(route="api/runs/{id}/{action}", methods=["POST"])
@app.durable_client_input(client_name="client")
def control_run(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> func.HttpResponse:
    id, action = req.route_params["id"], req.route_params["action"]
    return respond(lambda: bind(controls.control)(id, action, req.get_body(), Orchestrations(client)))


@app.route(route="api/retention", methods=["POST"])
@app.durable_client_input(client_name="client")
def start_retention(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> func.HttpResponse:
    return respond(lambda: bind(retention.start)(req.get_body(), Orchestrations(client)))


@app.route(route="api/retention/{id}", methods=["GET"])
@app.durable_client_input(client_name="client")
def read_retention(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> func.HttpResponse:
    return respond(lambda: bind(retention.report_json)(req.route_params["id"], Orchestrations(client)))


@app.route(route="api/rollbacks", methods=["GET"])
def plan_rollbacks(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(rollbacks.preview)(req.params))


@app.route(route="api/rollbacks", methods=["POST"])
@app.durable_client_input(client_name="client")
def start_rollback(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> func.HttpResponse:
    return respond(lambda: bind(rollbacks.start_rollback)(req.get_body(), Orchestrations(client)))


@app.route(route="api/rollbacks/{id}", methods=["GET"])
def read_rollback(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(rollbacks.rollback_json)(req.route_params["id"]))


@app.route(route="api/lifts", methods=["POST"])
def lift_rollback(req: func.HttpRequest) -> func.HttpResponse:
    return respond(lambda: bind(rollbacks.lift)(req.get_body()))


@app.route(route="api/key", methods=["GET"])
def check_key(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=204)


# --- timers -----------------------------------------------------------------------------------------------


@app.timer_trigger(arg_name="timer", schedule="30 */2 * * * *")
def find_lost_pushes(timer: func.TimerRequest) -> None:
    for branch in bind(operations.announce_lost_pushes)():
        log.warning("the webhook of a push to %s never came: announced by the reconciler", branch)


@app.timer_trigger(arg_name="timer", schedule="15 */5 * * * *")
@app.durable_client_input(client_name="client")
def find_lost_votes(timer: func.TimerRequest, client: df.SyncDurableFunctionsClient) -> None:
    for request in bind(approvals.find_lost_votes)(Orchestrations(client).voted):
        log.warning("woke %s, which was decided: the vote's event was lost, or is still on its way", request)


@app.timer_trigger(arg_name="timer", schedule="50 */5 * * * *")
def mend_traffic(timer: func.TimerRequest) -> None:
    for sentence in bind(traffic.mend_traffic)():
        log.warning("%s", sentence)


@app.timer_trigger(arg_name="timer", schedule="0 0 */3 * * *")
@app.durable_client_input(client_name="client")
def merge_every_three_hours(timer: func.TimerRequest, client: df.SyncDurableFunctionsClient) -> None:
    bind(operations.merge_on_schedule)(Orchestrations(client))


@app.timer_trigger(arg_name="timer", schedule="45 */10 * * * *")
@app.durable_client_input(client_name="client")
def refresh_on_schedule(timer: func.TimerRequest, client: df.SyncDurableFunctionsClient) -> None:
    for run in bind(schedules.start_due)(Orchestrations(client)):
        log.info("%s is due: its circuits' cutoff dates move", run)


@app.timer_trigger(arg_name="timer", schedule="0 30 4 * * 0")
@app.durable_client_input(client_name="client")
def look_at_retention(timer: func.TimerRequest, client: df.SyncDurableFunctionsClient) -> None:
    log.info("%s looks at what may be purged", bind(retention.look_weekly)(Orchestrations(client)))


@app.timer_trigger(arg_name="timer", schedule="0 0 2 * * *")
@app.durable_client_input(client_name="client")
def score_daily(timer: func.TimerRequest, client: df.SyncDurableFunctionsClient) -> None:
    for run in bind(operations.score_on_schedule)(Orchestrations(client)):
        log.info("%s scores what has not been scored up to yesterday, and looks at it", run)
