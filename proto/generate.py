"""Makes `zmr/wire/zmr_pb2.py` and `.pyi` from `proto/zmr.proto`, or checks that they are current.

    tox -e proto               fails when what is committed is not what the schema says
    tox -e proto -- --write    writes it

The code depends on the version of grpcio-tools, which tox.ini pins.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
SCHEMA = Path("proto/zmr.proto")
GENERATED = (Path("zmr/wire/zmr_pb2.py"), Path("zmr/wire/zmr_pb2.pyi"))


def generate(folder: Path) -> None:
    """Write the files of `GENERATED` into `folder`, at the paths that they have in the checkout."""
    command = [
        *(sys.executable, "-m", "grpc_tools.protoc"),
        # protoc derives a Python module's name from the schema's path: show it the schema where
        # the package has its code, so that the messages know themselves as zmr.wire.zmr_pb2.
        f"--proto_path=zmr/wire={SCHEMA.parent}",
        f"--python_out={folder}",
        f"--pyi_out={folder}",
        str(SCHEMA),
    ]
    subprocess.run(command, cwd=CHECKOUT, check=True)


def outdated(folder: Path) -> list[Path]:
    """Return those generated files of the checkout that differ from the ones in `folder`."""
    return [
        path
        for path in GENERATED
        if not (CHECKOUT / path).is_file()
        or (CHECKOUT / path).read_bytes() != (folder / path).read_bytes()
    ]


def main() -> int:
    """Run the command; return its exit status: 0, or 1 for outdated or unmakeable code."""
    parser = argparse.ArgumentParser(description="Make zmr/wire/zmr_pb2.py from proto/zmr.proto.")
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
        stale = outdated(folder)
        if options.check:
            for path in stale:
                print(
                    f"{path} is not what {SCHEMA} says: run `tox -e proto -- --write`",
                    file=sys.stderr,
                )
            return 1 if stale else 0
        for path in stale:
            (CHECKOUT / path).write_bytes((folder / path).read_bytes())
            print(f"{path}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
