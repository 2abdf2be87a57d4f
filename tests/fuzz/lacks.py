"""What a master may lack, to see that the siege notices: each a protection that is taken out.

A lack is a line of Python that runs when the master's interpreter starts.
"""

from __future__ import annotations

import os
from pathlib import Path

LACKS = {
    # An exception that a frame meets ends the master; and there is one to be met.
    "B1": """
from zmr.net import event_log, master_server
def mistake(self, error):
    raise error
master_server.MasterServer._mistake = mistake
right = event_log.EventLog.after
def after(self, seq):
    if seq > 2**62:
        raise ValueError("a sequence number that was not thought of")
    return right(self, seq)
event_log.EventLog.after = after
""",
    # A client's claims are believed: all tasks that they come to are made and kept.
    "B2": """
from zmr.core import clients, tasks
clients._MOST_TASKS = 1 << 22
right = tasks.Tasks.__init__
def make_all(self, kind, n_tasks):
    right(self, kind, n_tasks)
    self[:]
tasks.Tasks.__init__ = make_all
""",
    # The process for events may have any memory.
    "B3": """
import resource
resource.setrlimit = lambda *limits: None
""",
    # A map that says that it is done is believed.
    "B6": """
from zmr.core import jobs
jobs.JobRun.unread = lambda self, done: ""
""",
}


def without(lack: str, folder: Path) -> dict[str, str]:
    """The environment of a master that lacks this."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(LACKS[lack])
    others = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(folder), *([others] if others else [])])}
