"""The commands: what they are called, what they explain, and how a running master is used."""

from __future__ import annotations

import json
import re
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from support import CHECKOUT, Zmr
from support.cluster import Cluster
from support.orders import Orders

from zmr import __version__
from zmr.cli.base import Command
from zmr.cli.group import COMMANDS
from zmr.cli.group import zmr as group

MISBEHAVING = CHECKOUT / "tests" / "jobs" / "misbehaving.py"
UNREACHABLE = "127.0.0.1:1"  # a port that takes privileges to listen at, of a service long gone
CONTEXT = click.Context(group, info_name="zmr")


def every_option() -> Iterator[tuple[str, click.Option]]:
    for name in COMMANDS:
        command = group.get_command(CONTEXT, name)
        assert command
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield name, parameter


# --- what can be read about them ---------------------------------------------------------------


def test_every_option_says_what_it_does_and_has_its_environment_variable() -> None:
    options = list(every_option())
    assert len(options) > 50
    for command, option in options:
        where = f"{command} {option.opts}"
        assert option.help, where
        assert re.fullmatch(r"[A-Z].{10,}\.", option.help), where
        long = next(name for name in option.opts if name.startswith("--"))
        variable = "ZMR_" + long[2:].replace("-", "_").upper()
        variable += "_NUMBER" if variable.endswith("_PORT") else ""
        is_of_a_line = long in ("--insecure", "--rotate")  # not to be forgotten in a profile
        assert option.envvar == (None if is_of_a_line else variable), where
        if not option.is_flag:
            assert option.metavar or isinstance(option.type, click.Choice), where


def test_no_variable_is_one_that_kubernetes_sets() -> None:
    # For a service that is called zmr, or zmr-shuffle
    of_services = re.compile(r"\w*_(SERVICE_HOST|SERVICE_PORT\w*|PORT|PORT_\d+_\w+)")
    for command, option in every_option():
        assert not of_services.fullmatch(str(option.envvar)), f"{command} {option.opts}"


def test_an_error_names_the_variable_that_the_value_is_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ZMR_PORT_NUMBER", "tcp://10.0.0.1:5555")
    with pytest.raises(click.BadParameter) as error:
        group.main(["master"], standalone_mode=False)
    assert "'--port' (environment variable ZMR_PORT_NUMBER)" in error.value.format_message()
    with pytest.raises(click.BadParameter) as error:
        group.main(["master", "--port", "x"], standalone_mode=False)
    assert "environment" not in error.value.format_message()


def test_an_option_of_several_commands_means_the_same_in_all() -> None:
    helps: dict[str, set[str | None]] = {}
    for _, option in every_option():
        helps.setdefault(option.opts[-1], set()).add(option.help)
    differing = {name for name, texts in helps.items() if len(texts) > 1}
    assert differing == {"--output", "--json"}  # where it goes and what it holds differ indeed


def test_every_command_has_a_help_that_fits_a_terminal() -> None:
    for name in COMMANDS:
        command = group.get_command(CONTEXT, name)
        assert command
        assert command.help, name
        text = command.get_help(click.Context(command, info_name=f"zmr {name}"))
        assert "\\b" not in text, name
        assert max(map(len, text.splitlines())) <= 80, name


def test_the_examples_are_commands_that_are_understood() -> None:
    typed = [typed for name in COMMANDS for typed, _ in examples(group.get_command(CONTEXT, name))]
    assert len(typed) > 5
    for line in typed:
        line = line.partition(" | ")[0].removeprefix("ZMR_KEY=... ")
        program, name, *args = shlex.split(line)
        assert program == "zmr"
        command = group.get_command(CONTEXT, name)
        assert command, line
        command.make_context(name, args)  # or it raises a UsageError


def examples(command: click.Command | None) -> tuple[tuple[str, str], ...]:
    assert isinstance(command, Command)
    return command.examples


def test_help_version_and_a_slip_of_the_pen(zmr: Zmr) -> None:
    helped, version, slip = (zmr.start(*args) for args in (["--help"], ["--version"], ["wroker"]))
    assert helped.wait() == 0
    assert all(re.search(rf"^  {name}  +\w", helped.stdout, re.MULTILINE) for name in COMMANDS)
    assert (version.wait(), version.stdout) == (0, f"zmr, version {__version__}\n")
    assert slip.wait() == 2
    assert "No such command 'wroker': did you mean 'worker'?" in slip.stderr


# --- a master that serves ----------------------------------------------------------------------


@pytest.fixture
def hold(cluster: Cluster) -> Orders:
    """Give orders for a job of two maps, and a folder `two` with its input."""
    folder = cluster.zmr.folder / "two"
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text("word\n")
    return Orders(cluster.zmr.folder / "orders")


def test_who_submits_a_job_is_shown_its_counters(cluster: Cluster) -> None:
    cluster.start_master()
    cluster.start_worker()
    (cluster.zmr.folder / "odd.txt").write_bytes(b"a \xff b\n")
    ended = cluster.submit("wordcount", "odd.txt", "-o", "out").finish()
    assert ended.status == 0, ended.stderr
    assert re.search(r"done in .*/out\n  invalid UTF-8 sequences: 1\n$", ended.stderr)


def test_jobs_are_submitted_followed_and_listed(cluster: Cluster, texts: Path) -> None:
    # Given a master with a worker
    cluster.start_master()
    cluster.start_worker(slots=2)

    # When a job is submitted, and another one without waiting for it
    followed = cluster.submit("wordcount", texts, "-o", "one", "-r", "2").finish()
    handed_over = cluster.submit("wordcount", texts, "-o", "two", "--no-wait").finish()

    # Then the first is done when its command ends, and both have told their ids
    assert followed.status == 0, followed.stderr
    out = cluster.zmr.folder / "one"
    assert re.search(rf"wordcount: done in \d+\.\d\d s: {out}\n$", followed.stderr)
    assert (out / "_SUCCESS").exists()
    assert handed_over.status == 0, handed_over.stderr
    first, second = followed.stdout.strip(), handed_over.stdout.strip()

    # And the status shows them, for people and for programs
    text = cluster.zmr.run("status", cluster.address)
    assert text.status == 0, text.stderr
    done = rf"^job {first}: done, maps 5 of 5, reduces 2 of 2\njob {second}: "
    assert re.search(done, text.stdout), text.stdout
    assert re.search(r"\nworker \S+: alive, \d tasks?, 2 slots\n$", text.stdout)
    rows = json.loads(cluster.zmr.run("status", cluster.address, "--json").stdout)
    assert [(job["job_id"], job["n_map"]) for job in rows["jobs"]] == [(first, 5), (second, 5)]
    assert rows["workers"][0]["slots"] == 2
    cluster.stop()


def test_a_job_that_fails_or_is_cancelled_fails_its_command(cluster: Cluster, hold: Orders) -> None:
    # Given a job that is held, one that waits behind it, and one that can't succeed
    cluster.start_master()
    cluster.start_worker()
    hold.hold("map a.txt")
    running = cluster.submit(*hold.job, "two", "-o", "held")
    cluster.workers[0].wait_for("hold at map a.txt")
    wrong = (MISBEHAVING, "two", "-o", "bad", "-p", "place=setup", "--max-attempts", "1")
    failing = cluster.submit(*wrong)
    failing.wait_for("Misbehaving-", stream="stdout")

    # When the first is cancelled
    job_id = running.stdout.strip()
    cancel = cluster.zmr.run("cancel", cluster.address, job_id)

    # Then its command ends, and so does the other one's, with the reason
    assert (cancel.status, cancel.stderr) == (0, f"{job_id} is cancelled\n")
    assert running.wait() == 1
    assert "\nzmr: Obedient cancelled: cancelled by zmr cancel\n" in running.stderr
    assert failing.wait() == 1
    assert re.search(r"zmr: Misbehaving failed: .*no good", failing.stderr)
    assert re.search(r"\nTraceback .*\n(.*\n)*.*no good", cluster.master.stderr)

    # And to cancel it again is an error
    again = cluster.zmr.run("cancel", cluster.address, job_id)
    assert (again.status, again.stderr) == (1, f"zmr: {job_id} is cancelled already\n")
    cluster.stop()


def test_following_ends_without_the_job(cluster: Cluster, hold: Orders) -> None:
    # Given a submitted job in the middle
    cluster.start_master()
    cluster.start_worker()
    hold.hold("map a.txt")
    submit = cluster.submit(*hold.job, "two", "-o", "out")
    submit.wait_for("map: 0 of 2 tasks done")

    # When its command is interrupted
    submit.send(signal.SIGINT)

    # Then it says how to end the job, which goes on
    assert submit.wait() == 128 + signal.SIGINT
    job_id = submit.stdout.strip()
    command = f"zmr cancel {cluster.address} {job_id}"
    assert f"zmr: {job_id} goes on; to end it: {command}\n" in submit.stderr
    hold.go_on()
    cluster.master.wait_for(f"job {job_id} done")
    cluster.stop()


def test_a_master_that_ends_is_noticed_by_who_follows(cluster: Cluster, hold: Orders) -> None:
    cluster.start_master()
    submit = cluster.submit(*hold.job, "two", "-o", "out")
    cluster.master.wait_for("queued")
    cluster.master.send(signal.SIGTERM)
    assert cluster.master.wait() == 128 + signal.SIGTERM
    assert submit.wait() == 1
    assert "zmr: Obedient cancelled: stopped by SIGTERM\n" in submit.stderr


# --- a master for one job ----------------------------------------------------------------------


def test_a_master_without_workers_gives_up(cluster: Cluster, texts: Path) -> None:
    cluster.start_master("--job", "wordcount", texts, "-o", "out", "--worker-timeout", "0.2")
    assert cluster.master.wait() == 3
    reason = r"zmr: wordcount failed: no worker for 0\.2 s \(--worker-timeout\)\n$"
    assert re.search(reason, cluster.master.stderr)


def test_a_cancelled_job_is_no_success(cluster: Cluster, texts: Path) -> None:
    cluster.start_master("--job", "wordcount", texts, "-o", "out")
    nothing = cluster.zmr.run("cancel", cluster.address, "x")
    assert nothing.status == 1
    told = re.search(r"there is no job 'x'; there are: (wordcount-\w+)\n", nothing.stderr)
    assert told, nothing.stderr
    assert cluster.zmr.run("cancel", cluster.address, told[1]).status == 0
    assert cluster.master.wait() == 1
    assert cluster.master.stderr.endswith("zmr: wordcount cancelled: cancelled by zmr cancel\n")


def test_commands_that_make_no_sense(zmr: Zmr, texts: Path) -> None:
    cases = {
        ("master", texts): "belong to a job: name it with --job",
        ("master", "-r", "4"): "--reducers belongs to a job: name it with --job",
        ("master", "-p", "a=b"): "--param belongs to a job: name it with --job",
        ("master", "--job", "wordcount", texts): "--job needs an output folder: -o DIR",
        ("submit", "wordcount", texts, "-o", "out"): "Missing option '--master'",
    }
    commands = {zmr.start(*args): wanted for args, wanted in cases.items()}
    for command, wanted in commands.items():
        assert command.wait() == 2, command
        assert wanted in command.stderr


def test_nobody_at_the_address(zmr: Zmr, texts: Path) -> None:
    given = ("--timeout", "0.2")
    commands = [
        zmr.start("submit", "wordcount", texts, "-o", "out", "--master", UNREACHABLE, *given),
        zmr.start("status", UNREACHABLE, *given),
    ]
    for command in commands:
        assert command.wait() == 4
        assert command.stderr.startswith(
            f"zmr: no master answers at tcp://{UNREACHABLE} (waited 0.2 s): "
            f"no master of this user keeps a key for tcp://{UNREACHABLE} in "
        )
    assert not (zmr.folder / "out").exists()


def test_verbose_logs_what_goes_between_a_master_and_its_workers(zmr: Zmr, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("one two two\n")
    options = ("--job", "wordcount", "in.txt", "-o", "out", "-r", "1", "--port", "0")
    state = ("--state-dir", "state")
    master = zmr.start("master", *options, *state, "-v")
    address = master.wait_for(r"^tcp://\S+", stream="stdout").group()
    worker = zmr.start("worker", address, "-j", "1", "-v", "--no-direct-read")
    assert (master.wait(), worker.wait()) == (0, 0), (master, worker)

    for line in (
        r"DEBUG from peer \w+: .*Register \S+, 1 slot\n",
        r"DEBUG records for the journal: \d+\n",
        r"DEBUG to peer \w+: .*TaskResponse map 0 \(attempt [1-9]\) of wordcount-\w+\n",
        r"DEBUG from peer \w+: .*CommitRequest reduce 0 \(attempt [1-9]\) of wordcount-\w+",
        r"DEBUG to peer \w+: .*CommitReply attempt \d+: granted",
    ):
        assert re.search(line, master.stderr), master
    for line in (
        r"DEBUG to the master: .*Register ",
        r"DEBUG slot 0 starts, for job wordcount-\w+\n",
        r"DEBUG from slot 0: .*MapDone map 0 ",
        r"DEBUG fetched: \d+ bytes of map 0 of wordcount-\w+\n",
        r"DEBUG slot 0 is killed\n",
    ):
        assert re.search(line, worker.stderr), worker


def test_without_verbose_no_details_are_logged(zmr: Zmr, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("one two two\n")
    master = zmr.start("master", "--job", "wordcount", "in.txt", "-o", "out", "--port", "0")
    address = master.wait_for(r"^tcp://\S+", stream="stdout").group()
    worker = zmr.start("worker", address, "-j", "1")
    assert (master.wait(), worker.wait()) == (0, 0), (master, worker)
    assert "INFO" in master.stderr
    assert "INFO" in worker.stderr
    assert "DEBUG" not in master.stderr + worker.stderr
