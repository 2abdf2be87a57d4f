"""Jobs from Python on a cluster that runs elsewhere."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from zmr.core.states import JobState
from zmr.engines.options import JobSettings
from zmr.engines.prepare import Prepared
from zmr.engines.result import Result
from zmr.engines.work import GivenJob, Work, whole_number
from zmr.errors import OutputError
from zmr.output.folder import clean_temporary

if TYPE_CHECKING:
    from zmr.core.actions import Outcome
    from zmr.net.client import Client

_CLUSTER_REDUCERS = 8  # as of `zmr submit`


class Cluster:
    """A cluster that runs elsewhere, as `connect` has found it: `run` is as `zmr.run`."""

    def __init__(self, client: Client, epoch: int) -> None:
        self._client = client
        self._epoch = epoch

    def run(
        self,
        job: GivenJob,
        inputs: Any,
        out: str | os.PathLike[str],
        *,
        reducers: int | None = None,
        overwrite: bool = False,
        max_attempts: int = 4,
        task_timeout: float = 30.0,
        setup_timeout: float = 600.0,
        backup_after: float = 2.0,
        no_backups: bool = False,
        skip_bad_records: int = 0,
        skip_bad_files: int = 0,
        hidden_files: bool = False,
    ) -> Result:
        """Run a job, and return what it has put out; see `zmr.run`.

        Inputs and `out` have to be where master and workers find them.
        """
        settings = JobSettings(
            (),
            overwrite,
            max_attempts,
            task_timeout,
            setup_timeout,
            math.inf if no_backups else backup_after,
            skip_bad_records,
            skip_bad_files,
            hidden_files,
        )
        return self.run_with(job, inputs, out, reducers, settings)

    def close(self) -> None:
        """End the connection. What runs goes on."""
        self._client.__exit__(None, None, None)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def run_with(
        self,
        job: GivenJob,
        inputs: Any,
        out: str | os.PathLike[str] | None,
        reducers: int | None,
        settings: JobSettings,
    ) -> Result:
        if out is None:
            raise OutputError("a job on a cluster needs a folder for its output, which all share")
        n_reduce = whole_number("reducers", reducers) or _CLUSTER_REDUCERS
        work = Work(job, inputs, out, n_reduce, settings, None, shared=True)
        return work.result(self._run_prepared)

    def _run_prepared(self, prepared: Prepared) -> Outcome:
        from zmr.core.actions import Outcome
        from zmr.messages import CancelJob

        client, spec = self._client, prepared.spec
        try:
            client.ask(prepared.submit)
        except BaseException:
            clean_temporary(spec.output, spec.job_id)
            raise
        try:
            for status in client.watch_job(spec.job_id, self._epoch):
                last = status
        except KeyboardInterrupt:
            client.ask(CancelJob(spec.job_id, "interrupted"))
            raise
        return Outcome(spec, JobState(last.state), last.reason)


def connect(address: str, *, timeout: float = 30.0) -> Cluster:
    """The cluster of the master at tcp://HOST:PORT, with the key that is found for it.

    Raises `MasterLost` if the master does not answer for `timeout` seconds, and `AddressError`.
    """
    from zmr.net.client import Client
    from zmr.net.keyring import Keyring, given_key
    from zmr.wire.address import parse
    from zmr.wire.roles import Role

    client = Client(Keyring(parse(address), given_key(None, False)), Role.CLIENT, timeout)
    client.__enter__()
    try:
        return Cluster(client, client.listen())
    except BaseException:
        client.__exit__(None, None, None)
        raise
