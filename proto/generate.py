"""Makes the code of the protocol from `proto/zmr.proto`, or checks that it is current.

    tox -e proto               fails when what is committed is not what the schema says
    tox -e proto -- --write    writes it

`zmr/wire/zmr_pb2.py` and `.pyi` are protobuf's; they depend on the version of grpcio-tools, which
tox.ini pins. The `converters.py` of `zmr/wire`, `zmr/journal` and `zmr/shuffle` are made by
`converters.py` beside this file, from the schema and the Python types of the messages.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from converters import SchemaMismatch, Sources, modules

CHECKOUT = Path(__file__).resolve().parent.parent
SCHEMA = Path("proto/zmr.proto")
GENERATED = (Path("zmr/wire/zmr_pb2.py"), Path("zmr/wire/zmr_pb2.pyi"))


def generate(folder: Path) -> None:
    """Write the files of `GENERATED` into `folder`, at the paths that they have in the checkout."""
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        # protoc derives a Python module's name from the schema's path: show it the schema where
        # the package has its code, so that the messages know themselves as zmr.wire.zmr_pb2.
        f"--proto_path=zmr/wire={SCHEMA.parent}",
        f"--python_out={folder}",
        f"--pyi_out={folder}",
        str(SCHEMA),
    ]
    subprocess.run(command, cwd=CHECKOUT, check=True)


def converters() -> dict[Path, bytes]:
    """The converters of this checkout, by their path. Raises `SchemaMismatch`."""
    sys.path.insert(0, str(CHECKOUT))
    from zmr import messages
    from zmr.core import journal
    from zmr.shuffle import messages as fetching
    from zmr.wire import zmr_pb2

    sources = modules(Sources(zmr_pb2, messages, journal, fetching))
    return {Path(path): source.encode() for path, source in sources.items()}


def see_to(files: dict[Path, bytes], only_check: bool) -> list[Path]:
    """Write those of the files that are not what they must be, or name them on stderr."""
    stale = []
    for path, right in files.items():
        target = CHECKOUT / path
        if target.is_file() and target.read_bytes() == right:
            continue
        stale.append(path)
        if only_check:
            what = f"{path} is not what {SCHEMA} says"
            print(f"{what}: run `tox -e proto -- --write`", file=sys.stderr)
        else:
            target.write_bytes(right)
            print(f"{path}: written")
    return stale


def main() -> int:
    """Run the command; return its exit status: 0, or 1 for outdated or unmakeable code."""
    parser = argparse.ArgumentParser(description="Make the code of proto/zmr.proto.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--write", action="store_true", help="write the generated code (default)")
    mode.add_argument("--check", action="store_true", help="only compare; 1 if it is not current")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            generate(folder)
        except subprocess.CalledProcessError:
            print(f"{SCHEMA}: no code made; see above", file=sys.stderr)
            return 1
        # The converters are made by the first two, so only when these are right.
        stale = see_to({path: (folder / path).read_bytes() for path in GENERATED}, options.check)
    if not (stale and options.check):
        try:
            stale += see_to(converters(), options.check)
        except SchemaMismatch as error:
            print(f"{SCHEMA} and the Python types differ: {error}", file=sys.stderr)
            return 1
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
