"""Every activity: one thin, idempotent effect each. `function_app.py` registers this tuple."""

from activities.approvals import (
    ask_approvers,
    close_approval,
    count_votes,
    escalate_approval,
    remind_approvers,
)
from activities.assets import (
    pin_data,
    promote_components,
    register_components,
    register_environment,
    register_merge,
    share_environment,
)
from activities.baking import judge_fleet, judge_step, measure_step, submit_replay
from activities.catching_up import divide_circuits, record_caught_up, submit_catch_up
from activities.environments import (
    compose_update,
    look_at_environment,
    note_environment,
    plan_environment_update,
    read_comparison,
    submit_comparison,
    update_question,
)
from activities.evidence import note_evidence, store_evidence, submit_evidence
from activities.jobs import cancel_job, look_at_job, submit_training
from activities.merges import record_merge, submit_merge
from activities.models import (
    evaluate_gates,
    look_in_registry,
    plan_promotion,
    record_promoted,
    register_model,
    settle_circuit,
    share_model,
)
from activities.monitoring import plan_monitoring, record_judged, submit_monitoring
from activities.monitors import ensure_monitor
from activities.notifications import notify_long_running, notify_release_ended, notify_run_ended
from activities.plan import decide_training, read_fleet
from activities.questions import environment_question, open_question, release_question
from activities.ramping import raise_share, take_back, withdraw_candidate
from activities.records import note_commit, note_run, offer_release
from activities.recovery import close_questions, drop_candidates, settle_cancelled, stop_jobs
from activities.refresh import refresh_cutoffs
from activities.releases import (
    compose_release,
    end_release,
    lacks,
    less_superseded,
    note_visit,
    open_release,
    supersede_older,
)
from activities.responses import (
    announce_drift,
    close_incident,
    drift_question,
    plan_responses,
    tell_owners,
)
from activities.retention import (
    close_retention,
    note_prediction_purge,
    plan_retention,
    purge_batch,
    submit_prediction_purge,
    survey_holdings,
)
from activities.rollback import (
    close_rollback,
    note_releases,
    plan_rollback,
    put_back,
    put_forward,
    remove_withdrawn,
    stand_up,
)
from activities.rollout import plan_deployment
from activities.scoring import list_deployed, record_scored, share_scoring, submit_scoring
from activities.serving import activate_deployment, create_deployment, look_at_deployment

ACTIVITIES = (
    read_fleet,
    decide_training,
    register_environment,
    share_environment,
    register_components,
    promote_components,
    register_merge,
    pin_data,
    submit_merge,
    record_merge,
    refresh_cutoffs,
    submit_training,
    look_at_job,
    cancel_job,
    notify_long_running,
    notify_run_ended,
    notify_release_ended,
    evaluate_gates,
    register_model,
    settle_circuit,
    plan_promotion,
    share_model,
    look_in_registry,
    record_promoted,
    plan_deployment,
    create_deployment,
    look_at_deployment,
    raise_share,
    submit_replay,
    measure_step,
    judge_step,
    activate_deployment,
    ensure_monitor,
    plan_rollback,
    stand_up,
    put_back,
    put_forward,
    remove_withdrawn,
    note_releases,
    close_rollback,
    withdraw_candidate,
    judge_fleet,
    take_back,
    survey_holdings,
    plan_retention,
    purge_batch,
    submit_prediction_purge,
    note_prediction_purge,
    close_retention,
    settle_cancelled,
    close_questions,
    stop_jobs,
    drop_candidates,
    list_deployed,
    share_scoring,
    submit_scoring,
    record_scored,
    divide_circuits,
    submit_catch_up,
    record_caught_up,
    plan_monitoring,
    submit_monitoring,
    record_judged,
    plan_responses,
    tell_owners,
    announce_drift,
    drift_question,
    close_incident,
    environment_question,
    release_question,
    open_question,
    ask_approvers,
    remind_approvers,
    escalate_approval,
    count_votes,
    close_approval,
    compose_release,
    open_release,
    supersede_older,
    less_superseded,
    lacks,
    note_visit,
    end_release,
    offer_release,
    submit_evidence,
    store_evidence,
    note_evidence,
    look_at_environment,
    plan_environment_update,
    submit_comparison,
    read_comparison,
    compose_update,
    update_question,
    note_environment,
    note_run,
    note_commit,
)
