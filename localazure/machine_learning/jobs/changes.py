"""What may be changed of a job after its submission, whichever API it comes through."""

from dataclasses import dataclass

from localazure.machine_learning.context import Context, system_data
from localazure.machine_learning.jobs.runs import Run, Runs
from localazure.machine_learning.routing import Json
from localazure.web import azure_error

MUTABLE = ("description", "tags", "displayName", "properties", "isArchived")
_SET_BY_AZURE = ("services", "status")  # a client that sends a job back sends these too


@dataclass(frozen=True)
class JobChanges:
    context: Context
    runs: Runs

    def apply(self, run: Run, changes: Json) -> Json:
        """Write `changes` (ARM's property names); tags and properties are merged. Gives the job as stored."""
        key = run.key
        with self.context.documents.transaction():
            job = self.context.documents.get("jobs", key)
            if job is None:
                raise azure_error(
                    400, "UserError", f"{run.name} is a step of {run.parent}: only jobs are changed."
                )
            given = {name: changes[name] for name in MUTABLE if changes.get(name) is not None}
            for name in ("tags", "properties"):
                given[name] = {**(job["properties"].get(name) or {}), **text_values(given.get(name))}
            job["properties"] |= given
            job["systemData"] = system_data(old=job["systemData"])
            self.context.documents.put("jobs", key, job)
            self.runs.change(run, tags=given["tags"], properties=given["properties"])
        return job


def check_unchanged(name: str, submitted: Json, given: Json) -> None:
    """Refuses with 400, as the service does, a job sent under a taken name with other content."""
    old, new = _fixed(submitted), _fixed(given)
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if changed:
        raise azure_error(
            400,
            "UserError",
            "A job with this name already exists. If you are trying to create a new job, use a different name. If you "
            f"are trying to update an existing job, the existing job's {', '.join(map(_pascal, changed))} cannot be "
            "changed. Only description, tags, displayName, properties, and isArchived can be updated.",
        )


def text_values(values: Json | None) -> dict[str, str]:
    return {key: str(value) for key, value in (values or {}).items() if value is not None}


def _fixed(properties: Json) -> Json:
    left_out = (*MUTABLE, *_SET_BY_AZURE)
    given = {key: value for key, value in properties.items() if key not in left_out and value is not None}
    return {"experimentName": "Default", **given}


def _pascal(name: str) -> str:
    return name[:1].upper() + name[1:]
