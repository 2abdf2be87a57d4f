"""How what a task prints is named, and where it is kept."""

from __future__ import annotations

from zmr.messages import JobSpec, Task
from zmr.output.folder import log_path
from zmr.tasks.capsule import name_of


def log_of(spec: JobSpec, task: Task) -> tuple[str, str]:
    """The name of a task before each line that it prints, and the file of this attempt's."""
    path = log_path(spec.output, task.job_id, name_of(task), task.attempt)
    return f"{task.job_id} {task.kind.label} {task.index}", path
