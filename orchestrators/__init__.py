"""Every orchestrator, in the order of the journey: `function_app.py` registers this tuple, a room is a stage."""

from orchestrators.approval import approval
from orchestrators.catching_up import catch_up, score_circuits
from orchestrators.deploy_circuit import deploy_circuit
from orchestrators.deploy_release import deploy_release, deploy_wave, take_back_wave
from orchestrators.drift_response import drift_response
from orchestrators.environment_release import environment_release, try_models
from orchestrators.evidence import gather_evidence
from orchestrators.merge_readings import merge_readings
from orchestrators.monitoring import monitor_circuits, monitor_stage, score_days
from orchestrators.promote_models import promote_batch, promote_environment, promote_model, promote_models
from orchestrators.recovery import clean_up
from orchestrators.release_journey import release_journey
from orchestrators.retention import purge_batches, retention
from orchestrators.rollback import move_circuit, move_circuits, rollback
from orchestrators.scheduled_refresh import scheduled_refresh
from orchestrators.scoring import score_circuit, score_stage
from orchestrators.train_circuit import train_circuit
from orchestrators.training_pipeline import train_circuits, training_pipeline

ORCHESTRATORS = (
    merge_readings,
    scheduled_refresh,
    training_pipeline,
    train_circuits,
    train_circuit,
    approval,
    release_journey,
    promote_environment,
    gather_evidence,
    environment_release,
    try_models,
    promote_models,
    promote_batch,
    promote_model,
    deploy_release,
    deploy_wave,
    deploy_circuit,
    rollback,
    move_circuits,
    move_circuit,
    take_back_wave,
    clean_up,
    score_stage,
    score_circuit,
    score_days,
    catch_up,
    score_circuits,
    monitor_stage,
    monitor_circuits,
    drift_response,
    retention,
    purge_batches,
)
