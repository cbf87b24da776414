"""What the README says of routes beside their methods: the section, and what of the real thing is left out."""

import re

# (section, expression for the path), the first that fits.
_PLACES = (
    (
        "Azure ML: workspaces",
        r"^\{ws\}(?!/providers)|MachineLearning|^/discovery/w|^/mferp|^/data/|^/modelregistry",
    ),
    ("Azure ML: registries", r"^\{registry\}|^/registrymanagement"),
    ("Azure ML: run history, artifacts and MLflow", r"^/(history|mlflow|artifact|execution)|mlflow"),
    ("Azure ML: scoring", r"/score|^/api/v1/endpoint|^/online|^/invocations"),
    ("Event Grid", r"^/topics|EventGrid|event_grid|^/eventsubscriptions"),
    ("E-mail", r"^/emails|^/mailbox|/email"),
    ("Identity and role assignments", r"Authorization|^/msi|oauth2|/discovery/|well-known|identity"),
    ("Git host: GitHub's REST", r"^/api/v3"),
    ("Git host: Azure DevOps' REST", r"/_apis"),
    ("Git host: git and its pages", r"^/git|^/admin/git|/_git/"),
    ("Faults on demand", r"fault"),
    ("Resource manager", r"^/metadata/endpoints|^/subscriptions|^/providers|^/tenants"),
    ("Pages and administration", r""),
)
SECTIONS = tuple(name for name, _ in _PLACES)

# (expression for the path, how far it goes), the first that fits; a path without a note is served in full.
NOTES = (
    (r"^\{ws\}/jobs/\{name\}$", "command and pipeline jobs; no sweep, AutoML, Spark or fine-tuning"),
    (r"^\{ws\}/schedules/\{name\}$", "of jobs and monitors; no import of data"),
    (r"/startPendingUpload$", "blob references only"),
    (r"^\{ws\}/environments/.*\{version\}$|^\{ws\}/\{asset\}/.*\{version\}$",
     "of environments the conda file is built, images are kept as names"),
    (r"/datastores/\{name\}/listSecrets$", "those of the emulated storage"),
    (r"^\{ws\}$", "configured, not made through ARM"),
    (r"^/mlflow/.*\{rest:path\}", "404, as Azure ML answers what it leaves out of MLflow"),
    (r"^/metadata/endpoints$", "one cloud, this one"),
)  # fmt: skip


def section_of(path: str) -> str:
    return next(name for name, expression in _PLACES if re.search(expression, path))
