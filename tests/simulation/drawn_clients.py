"""The clients that a seed draws beside those that submit its jobs: what they ask, and when.

They submit jobs again, follow jobs or everything, ask how things stand, cancel what is over or was
never there; and lose their connection, which comes back. Each has to get its answers, and to know
in the end what is true. (What they are told is checked in `witness.answers`.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zmr import messages as m

from .client_draws import ClientDraw, ClientsDraw
from .faults import Faults
from .machines.client import ENDED, Client, Tail, Watcher
from .machines.jobs import JobPlan
from .machines.network import MASTER
from .machines.site import Site
from .witness.answers import Answers


class DrawnClients:
    def __init__(
        self, site: Site, draw: ClientsDraw, jobs: Sequence[JobPlan], faults: Faults
    ) -> None:
        self._site = site
        self._draw = draw
        self._jobs = jobs
        self._faults = faults
        self.clients = [self._client(n, each) for n, each in enumerate(draw.each, 1)]
        site.kept_events, site.events_at_once = draw.kept_events, draw.events_at_once
        site.receivers |= {client.name: client for client in self.clients}

    def _client(self, number: int, draw: ClientDraw) -> Client:
        name, job_id = f"d{number}", self._jobs[draw.job].id
        if draw.does in ("submits", "watches"):
            return Watcher(self._site, name, job_id)
        if draw.does == "tails":
            return Tail(self._site, name, draw.from_start)
        return Client(self._site, name)

    def begin(self) -> None:
        """Plan what they do."""
        clock = self._site.clock
        for client, draw in zip(self.clients, self._draw.each, strict=True):
            clock.at(draw.begins_at_s, self._begin, client, draw)
            for at_s, for_s in draw.away:
                clock.at(at_s, self._leave, client, for_s)

    def _begin(self, client: Client, draw: ClientDraw) -> None:
        job = self._jobs[draw.job]
        if isinstance(client, Watcher):
            if draw.cancels:
                client.on_end = lambda: client.ask(m.CancelJob(job.id, "cancelled too late"))
            if draw.does == "submits":
                self._submit(client, job, draw.n_questions)
            else:
                client.follow()
        elif isinstance(client, Tail):
            client.follow()
        else:
            self._ask(client, draw.n_questions)

    def _submit(self, client: Watcher, job: JobPlan, times: int) -> None:
        """The same job again and again, then follow it."""
        if client.refused:
            return
        if times > 0:
            client.ask(job.submit, lambda *_: self._submit(client, job, times - 3))
        else:
            client.follow()

    def _ask(self, client: Client, times: int) -> None:
        """How things stand, and what can't be."""
        if times <= 0:
            return

        def again(*_: object) -> None:
            self._site.clock.later(0.1 * times, self._ask, client, times - 1)

        submit = self._jobs[0].submit
        if times == 2:
            client.ask(m.CancelJob("never-submitted", "cancelled by a client"), again)
        elif times == 4:
            step = replace(submit.spec, job_id=f"{submit.spec.job_id}.9")
            client.ask(replace(submit, spec=step), again)
        elif times == 5 and self._site.settings.one_job:
            other = replace(submit.spec, job_id="one-too-many", output="/out/one-too-many")
            client.ask(replace(submit, spec=other), again)
        elif times == 6:
            self._site.cancelled.add(submit.spec.job_id)
            client.ask(m.CancelJob(submit.spec.job_id, "cancelled by another client"), again)
        else:
            client.ask(m.GetSnapshot((-1, 0, 7, 100_000)[times % 4]), again)

    def _leave(self, client: Client, for_s: float) -> None:
        """Its connection is lost for a while."""
        network = self._faults.network
        if self._faults.is_quiet:
            return
        links = [(client.name, MASTER), (MASTER, client.name)]
        network.cut.update(links)
        client.site.say(client.name, "is away")
        client.site.clock.later(for_s, network.cut.difference_update, links)

    # --- in the end ---

    def pending(self, answers: Answers) -> list[str]:
        """What they do not know yet, and should."""
        found = []
        for client in self.clients:
            if client.pending:
                found.append(client.pending)
            if isinstance(client, Tail) and client.follower is not None and not client.is_done:
                seen = client.follower.epoch, client.follower.seq
                if seen != answers.n_events:
                    found.append(f"{client.name} has seen {seen} of {answers.n_events}")
            if isinstance(client, Watcher) and client.follower is not None and not client.is_done:
                job = answers.jobs.get(client.job_id)
                if job is not None and job.state in ENDED:
                    found.append(f"{client.name} waits for the end of {client.job_id}")
        return found

    def check(self, answers: Answers, has_ended: bool) -> None:
        """What they know is true."""
        for client in self.clients:
            if isinstance(client, Watcher) and client.last_state in ENDED:
                assert client.last_state == answers.endings[client.job_id]
            if isinstance(client, Tail) and client.follower is not None and not has_ended:
                states = {job_id: job.state for job_id, job in answers.jobs.items()}
                # What the master has forgotten since, a client may remember.
                known = {job_id: client.states.get(job_id) for job_id in states}
                assert known == states, f"{client.name} knows {client.states}, not {states}"
