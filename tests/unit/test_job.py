from __future__ import annotations

import io
import pickle
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zmr import Job, JobError, find_job
from zmr.job import parameters_of
from zmr.job_loader import BUILT_IN, JobSource, load_job
from zmr.messages import JobSpec

HEADER = "from zmr import *\n"
WITH_MAP = "    def map(self, line): yield line, 1\n"
COUNT = f"{HEADER}class Mine(Job):\n    '''What it does.'''\n{WITH_MAP}    reduce = Sum()\n"


@pytest.fixture(autouse=True)
def _imports_undone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("zmr_job_", "mypackage")):
            del sys.modules[name]


def write(folder: Path, text: str, name: str = "myjob.py") -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


def spec_of(source: JobSource, *params: tuple[str, str]) -> JobSpec:
    return JobSpec(
        "j1", source.name, source.reference, source.source, source.search_path, params, 1, "/out"
    )


def refusal(reference: str, *params: tuple[str, str]) -> str:
    with pytest.raises(JobError) as error:
        find_job(reference).create(params)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- finding ---


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_jobs_are_found_by_name_and_explain_themselves(name: str) -> None:
    source = find_job(name)
    assert (source.name, source.reference, source.source) == (name, name, b"")
    assert len(source.doc.splitlines()) > 2
    load_job(spec_of(source, *[("pattern", "x")] * (name == "grep")))


def test_a_job_file_is_found_from_where_the_user_is_and_loaded_where_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "SUFFIX = '!'\n", "helper.py")
    path = write(tmp_path, COUNT.replace("class", "from helper import SUFFIX\nclass"))
    monkeypatch.chdir(tmp_path)
    source = find_job("myjob.py")
    assert (source.name, source.reference) == ("Mine", f"{path}:Mine")
    assert (source.search_path, source.doc) == (str(tmp_path), "What it does.")

    Path(path).unlink()
    assert [*(load_job(spec_of(source)).map("x") or ())] == [("x", 1)]


def test_a_job_in_a_package_is_found_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "", "mypackage/__init__.py")
    write(tmp_path, COUNT, "mypackage/jobs.py")
    monkeypatch.chdir(tmp_path)
    source = find_job("mypackage.jobs:Mine")
    assert (source.reference, source.search_path) == ("mypackage.jobs:Mine", str(tmp_path))
    assert type(load_job(spec_of(source))) is source.job_class
    assert "no job 'Other'; it has Mine" in refusal("mypackage.jobs:Other")
    assert "there is no module 'mypackage.job'" in refusal("mypackage.job:Mine")
    for name in ("", "..", ".mine", "mine..job", "my job"):
        assert f"{name!r} can't be the name of a module" in refusal(f"{name}:Mine")


def test_a_file_is_run_once_and_again_when_it_has_changed(tmp_path: Path) -> None:
    path = write(tmp_path, COUNT)
    first = find_job(path)
    assert type(load_job(spec_of(first))) is first.job_class
    write(tmp_path, COUNT.replace("Mine", "Changed"))
    assert find_job(path).name == "Changed"


def test_a_job_file_may_be_called_like_any_module(tmp_path: Path) -> None:
    assert find_job(write(tmp_path, COUNT, "json.py")).name == "Mine"
    assert sys.modules["json"].__file__ != str(tmp_path / "json.py")


def test_several_jobs_in_a_file_need_a_name(tmp_path: Path) -> None:
    path = write(tmp_path, COUNT + COUNT.replace("Mine", "Other"))
    assert find_job(f"{path}:Other").name == "Other"
    assert f"name one: {path}:Mine, {path}:Other" in refusal(path)
    assert "has no job 'Nobody'; it has Mine, Other" in refusal(f"{path}:Nobody")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def map(:\n", "{path}, line 1: SyntaxError: invalid syntax"),
        ("x = 1\n  y = 2\n", "{path}, line 2: IndentationError: unexpected indent"),
        ("a = '\0'", "source code string cannot contain null bytes|source code cannot contain"),
        ("\nimport nowhere\n", "{path}, line 2: ModuleNotFoundError: No module named 'nowhere'"),
        ("def f():\n    1 / 0\nf()", "{path}, line 2: ZeroDivisionError: division by zero"),
        ("raise SystemExit('no')", "{path}, line 1: SystemExit: no"),
        (HEADER, "{path} has no job in it"),
        (f"{HEADER}class A(Job):\n    pass\n", "A has no map: write a method map"),
        (f"{COUNT}    reduce = Sum\n", "Mine.reduce must be a method, or a reducer such as Sum"),
        (f"{COUNT}    combine = Sum()\n", "Mine.combine is never used: its reducer combines"),
        (
            f"{COUNT}    partition = 3\n",
            "Mine.partition must be a method, or Hash.*, not 3",
        ),
        (
            f"{HEADER}class A(Job):\n    def map(line): yield line, 1\n",
            r"A.map can't be called as zmr does: write def map\(self, record\); a pipe",
        ),
        (
            f"{HEADER}class A(Job):\n    def map(self, k, v): yield k, v\n",
            r"def map\(self, record\)",
        ),
        (f"{COUNT}    def reduce(self, key): yield key\n", r"def reduce\(self, key, values\)$"),
        (f"{COUNT}    def setup(self, *, x): pass\n", r"write def setup\(self\)$"),
        (f"{COUNT}    input = 'lines'\n", r"Mine.input must be an input format, such as Lines\(\)"),
        (f"{COUNT}    output = Csv()\n", r"Mine.output must be an output format, .*, not Csv\(.*"),
        (f"{COUNT}    output = Text\n", r"Mine.output must be an output format, such as Text\(\)"),
        (
            f"{COUNT}    output = property(lambda self: Csv())\n",
            r"Mine.output must be an output format, .*, not Csv.*, which is an input format",
        ),
        (f"{COUNT}    count: int = 3\n", "Mine.count: a parameter can't have this name"),
        (
            f"{COUNT}    words: list[str]\n",
            "Mine.words: a parameter is a str, int, float, bool, re.Pat",
        ),
        (f"{COUNT}    def __init__(self): self.x = 1 / 0\n", "can't be created: ZeroDivision"),
    ],
)
def test_what_is_wrong_with_a_job_file_is_told_in_a_line(
    tmp_path: Path, text: str, told: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(JobError, match=told.format(path=path)):
        find_job(path).create([])


MAPS = f"{HEADER}class Mine(Job):\n{WITH_MAP}"


@pytest.mark.parametrize(
    ("method", "meant"),
    [
        *(("reducer", "reduce"), ("combiner", "combine"), ("partitioner", "partition")),
        *(("mapper_init", "setup"), ("setUp", "setup"), ("redcue", "reduce")),
        *(("Reduce", "reduce"), ("map_batches", "map_batch"), ("combines", "combine")),
        *(("mapper_final", "finish_map"), ("finish_maps", "finish_map")),
    ],
)
def test_methods_named_as_elsewhere_or_misspelt_are_refused(
    tmp_path: Path, method: str, meant: str
) -> None:
    path = write(tmp_path, f"{MAPS}    def {method}(self, key, values): yield key, 1\n")
    assert refusal(path) == f"Mine.{method} is never called: did you mean {meant}?"


def test_so_are_those_of_a_class_without_map_and_reducers_under_another_name(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, f"{HEADER}class Mine(Job):\n    def mapper(self, line): yield line, 1\n")
    assert refusal(path) == "Mine.mapper is never called: did you mean map?"
    path = write(tmp_path, f"{MAPS}    reducer = Sum()\n", "other.py")
    assert refusal(path) == "Mine.reducer is never called: did you mean reduce?"
    path = write(tmp_path, f"from zmr import Range\n{MAPS}    partitioner = Range()\n", "third.py")
    assert refusal(path) == "Mine.partitioner is never called: did you mean partition?"
    path = write(tmp_path, f"from zmr import Raw\n{MAPS}    outputs = Raw()\n", "fourth.py")
    assert refusal(path) == "Mine.outputs is never called: did you mean output?"


def test_methods_may_be_static_and_take_more_than_they_are_called_with(tmp_path: Path) -> None:
    text = (
        f"{HEADER}class A(Job):\n    @staticmethod\n    def map(line): yield line, 1\n"
        "    def reduce(self, key, values, *more, limit=3, **others): yield key, sum(values)\n"
        "    def combine(self, *args): yield args[0], sum(args[1])\n"
        "    def partition(self, key, n, seed=0): return 0\n"
        "    @classmethod\n    def setup(cls): pass\n"
    )
    assert find_job(write(tmp_path, text)).name == "A"


@pytest.mark.parametrize("method", ["combiner_final", "teardown", "cleanup"])
def test_what_is_meant_to_be_called_at_the_end_is_refused(tmp_path: Path, method: str) -> None:
    told = refusal(write(tmp_path, f"{MAPS}    def {method}(self): pass\n"))
    assert told.startswith(
        f"Mine.{method} is never called: at the end of a task, zmr calls finish_"
    )


INPUTS = (
    f"from zmr import Csv, Input\n{HEADER}class Mine(Job):\n    a = Input()\n    b = Input(Csv())\n"
)
MAP_A = "    def map_a(self, line): yield line, 1\n"


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        (MAP_A, "Mine has no method for its input b: write map_b(self, record)"),
        (
            f"{MAP_A}    def map_b(self): yield 1, 1\n",
            "Mine.map_b can't be called as zmr does: write def map_b(self, record)",
        ),
        (
            f"{MAP_A}    def map_batch_b(self, batch): pass\n{WITH_MAP}",
            "Mine has inputs of its own, so its map is never called: records of a go to map_a",
        ),
    ],
)
def test_each_input_needs_its_method(tmp_path: Path, methods: str, message: str) -> None:
    assert refusal(write(tmp_path, f"{INPUTS}{methods}")) == message


REDUCES = "    def reduce(self, key, values): yield key, 1\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    sort_values = True\n", "Mine.sort_values is never used: there is no reduce"),
        (f"    sort_values = 1\n{REDUCES}", "Mine.sort_values must be True, or a method, not 1"),
        (
            "    sort_values = True\n    reduce = Sum()\n",
            "Mine.sort_values has no effect: Sum() is the same in any order",
        ),
        (
            f"    sort_values = True\n{REDUCES}    def combine(self, key, values): pass\n",
            "Mine.combine can't be used with sort_values: it changes the values",
        ),
        (
            f"    sort_values = True\n{REDUCES}    def map_batch(self, batch): pass\n",
            "Mine.sort_values is not for map_batch: write map",
        ),
        (
            f"    def sort_values(self): pass\n{REDUCES}",
            "Mine.sort_values can't be called as zmr does: write def sort_values(self, value)",
        ),
    ],
)
def test_sorted_values_need_a_reduce_that_sees_them(
    tmp_path: Path, body: str, message: str
) -> None:
    assert refusal(write(tmp_path, f"{MAPS}{body}")) == message


def test_the_end_of_reduces_needs_a_reduce(tmp_path: Path) -> None:
    told = refusal(write(tmp_path, f"{MAPS}    def finish_reduce(self): pass\n"))
    assert told == "Mine.finish_reduce is never called: there is no reduce"
    told = refusal(write(tmp_path, f"{MAPS}    def finish_map(self, key): pass\n", "other.py"))
    assert told == "Mine.finish_map can't be called as zmr does: write def finish_map(self)"


@pytest.mark.parametrize(
    "methods",
    [
        "    def reducer(self, n): return n\n    reduce = Sum()\n",
        "    def setup(self): [self.cleanup() for _ in '1']\n    def cleanup(self): pass\n",
        "    def key_of(self, line): return line\n    def mapping(self): return {}\n",
        "    mapper: str = 'x'\n    limit = 3\n    def _reducer(self): pass\n",
    ],
)
def test_methods_of_the_jobs_own_are_left_alone(tmp_path: Path, methods: str) -> None:
    assert find_job(write(tmp_path, MAPS + methods)).name == "Mine"


def test_what_can_not_be_found_is_told_with_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no built-in job 'wordcont' (there are wordcount, grep, index, sort)" in refusal(
        "wordcont"
    )
    assert "path/to/file.py or package.module:Class" in refusal("wordcont")
    monkeypatch.chdir(tmp_path)
    write(tmp_path, COUNT)
    assert refusal("myjob").endswith("; did you mean myjob.py?")
    missing = tmp_path / "missing.py"
    assert refusal(str(missing)) == f"can't read the job file {missing}: No such file or directory"


def test_the_users_module_shows_its_source_in_tracebacks_and_can_be_pickled(tmp_path: Path) -> None:
    text = f"{COUNT}class Pair:\n    def __init__(self, n):\n        self.n = 1 / n  # divides\n"
    source = find_job(write(tmp_path, text))
    (tmp_path / "myjob.py").unlink()
    pair = vars(sys.modules[source.job_class.__module__])["Pair"]
    assert pickle.loads(pickle.dumps(pair(2))).n == 0.5
    with pytest.raises(ZeroDivisionError) as error:
        pair(0)
    assert "self.n = 1 / n  # divides" in "".join(traceback.format_exception(error.value))


# --- parameters ---

SECRET = f"""\
{HEADER}class Mine(Job):
    token: Secret
{WITH_MAP}"""

PARAMETERS = f"""\
from __future__ import annotations
{HEADER}import re
from typing import ClassVar
class Base(Job):
    pattern: str
    known: ClassVar[dict[str, int]] = {{}}
    _cache: dict[str, int]
    input: Lines = Lines()
class Mine(Base):
    limit: int = 10
    ratio: float = 0.5
    strict: bool = False
    prefix: str | None = None
    words: re.Pattern[str] | None = re.compile("x")
{WITH_MAP}"""


def test_parameters_are_what_the_class_and_its_parents_annotate(tmp_path: Path) -> None:
    source = find_job(write(tmp_path, PARAMETERS) + ":Mine")
    assert [str(parameter) for parameter in parameters_of(source.job_class).values()] == [
        "pattern: str",
        "limit: int = 10",
        "ratio: float = 0.5",
        "strict: bool = False",
        "prefix: str = None",
        "words: Pattern = re.compile('x')",
    ]
    given = [
        ("pattern", "1"),
        ("limit", "-3"),
        ("ratio", "1e3"),
        ("strict", "Yes"),
        ("words", "a+"),
    ]
    job = load_job(spec_of(source, *given))
    assert job.__dict__.items() >= {
        "pattern": "1", "limit": -3, "ratio": 1000.0, "strict": True, "words": re.compile("a+")
    }.items()  # fmt: skip
    assert vars(type(job))["prefix"] is None


def test_a_secret_is_read_where_it_is_used_and_shown_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_bytes(b"s3cret\r\n")
    source = find_job(write(tmp_path, SECRET) + ":Mine")
    for place in ("env:A_TOKEN", f"file:{tmp_path}/token"):
        job = load_job(spec_of(source, ("token", place)))
        if place.startswith("env:"):
            with pytest.raises(LookupError, match="no variable A_TOKEN"):
                job.token.read()  # type: ignore[attr-defined]
        monkeypatch.setenv("A_TOKEN", "s3cret")
        assert job.token.read() == "s3cret"  # type: ignore[attr-defined]
        assert job.token == pickle.loads(pickle.dumps(job.token))  # type: ignore[attr-defined]
        assert "s3cret" not in repr(job.token)  # type: ignore[attr-defined]
    for given in ("s3cret", "env:", "http:s3cret"):
        with pytest.raises(
            JobError, match="'token' of Mine must be env:NAME or file:PATH"
        ) as error:
            load_job(spec_of(source, ("token", given)))
        assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], r"Mine needs the parameter pattern: str \(give -p pattern=VALUE\)"),
        ([("patern", "x")], r"no parameter 'patern' \(did you mean 'pattern'\?\); it has: pattern: "
                            r"str, limit: int = 10, "),
        ([("pattern", "x"), ("limit", "ten")], "'limit' of Mine must be an int .*, not 'ten'"),
        ([("pattern", "x"), ("ratio", "")], "'ratio' of Mine must be a float .*, not ''"),
        ([("pattern", "x"), ("strict", "maybe")], "'strict' of Mine must be a bool .*'maybe'"),
        ([("pattern", "x"), ("words", "(")], r"'words' of Mine must be a regular expression, not "
                                             r"'\(' \(missing \), unterminated subpattern"),
        ([("pattern", "x"), ("pattern", "y")], "'pattern' of Mine is given twice"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_told_with_those_there_are(
    tmp_path: Path, given: list[tuple[str, str]], told: str
) -> None:
    path = write(tmp_path, PARAMETERS)
    with pytest.raises(JobError, match=told):
        find_job(f"{path}:Mine").create(given)


def test_a_job_without_parameters_says_so() -> None:
    assert "WordCount has no parameter 'n': it takes none" in refusal("wordcount", ("n", "1"))


def test_what_a_parameter_makes_of_the_input_is_checked_with_it() -> None:
    told = refusal("sort", ("record_bytes", "-1"))
    assert told == "Sort.input: FixedRecords(size_bytes) takes a positive number, not -1"


class Limited(Job):
    limit: int = 10


def test_a_job_made_in_python_takes_values_of_the_type() -> None:
    assert Limited(limit=3).limit == 3
    assert Limited().limit == 10
    with pytest.raises(JobError, match="must be an int"):
        Limited(limit=3.5)


@pytest.mark.parametrize("wrong", [(1, 1), ("a", 1.5), ("a", "1")])
def test_counting_takes_a_name_and_a_whole_number(wrong: tuple[object, object]) -> None:
    with pytest.raises(TypeError, match=r"count\(name, n\) takes a str and an int"):
        Limited().count(*wrong)  # type: ignore[arg-type]


# --- the package ---


def test_importing_a_part_of_zmr_costs_that_part_only() -> None:
    program = """if True:
        import sys, zmr, zmr.messages
        assert not {"zmr.job", "zmr.formats", "pyarrow", "zmq", "click"} & set(sys.modules)
        import zmr.job_loader, zmr.engines.inputs, zmr.output.folder
        zmr.job_loader.find_job("wordcount")
        assert not {"pyarrow", "numpy", "zmq", "click", "zmr.job_log"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)},
                   check=True)  # fmt: skip


def test_the_counters_of_a_step_are_those_of_the_last_one_of_its_name() -> None:
    job = Limited()
    job._counted = [("A", (("n", 1),)), ("B", (("n", 2),)), ("A", (("n", 3), ("m", 4)))]
    assert job.counters_of("A") == {"n": 3, "m": 4}
    assert job.counters_of(type("B", (Job,), {})) == {"n": 2}


def test_a_log_fails_no_job(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    class Logs(Job):
        pass

    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "no space left")

    job = Logs()
    job.log.info("%d%%", 5)
    job.log.info("%d", "no number")
    shown = capsys.readouterr().err
    assert shown.startswith("INFO 5%\n--- Logging error ---\n")
    for stream in (Closed(), None):
        monkeypatch.setattr(sys, "stderr", stream)
        job.log.info("nowhere")
    monkeypatch.undo()
    with pytest.raises(JobError, match="which Job itself uses"):
        parameters_of(type("Taken", (Job,), {"__annotations__": {"log": str}}))
    assert capsys.readouterr() == ("", "")
