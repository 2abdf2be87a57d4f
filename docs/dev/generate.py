"""Writes what the docs say about the code from the code itself, or checks that it is current.

python docs/dev/generate.py            writes
python docs/dev/generate.py --check    only compares; fails when something is stale

docs/dev/architecture.md   between their markers: the state diagrams, from zmr.core.states, and the
                           table of rooms, from docs/dev/rooms.toml
docs/dev/protocol.md       all of it, from the comments of proto/zmr.proto
docs/cli.md                all of it, from the commands
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

DEV = Path(__file__).resolve().parent
DOCS = DEV.parent
CHECKOUT = DOCS.parent
SCHEMA = CHECKOUT / "proto" / "zmr.proto"
MADE = "<!-- Made by docs/dev/generate.py from {}. Do not edit. -->\n"


def main() -> int:
    """Run the command; return its exit status: 0, or 1 for something stale."""
    parser = argparse.ArgumentParser(description="Make what the docs say from the code.")
    parser.add_argument("--check", action="store_true", help="only compare; 1 if not current")
    options = parser.parse_args()
    stale = {path: text for path, text in pages() if not path.is_file() or path.read_text() != text}
    for path, text in stale.items():
        name = path.relative_to(CHECKOUT)
        if options.check:
            print(f"{name} is stale: run `python docs/dev/generate.py`", file=sys.stderr)
        else:
            path.write_text(text)
            print(f"{name}: written")
    return 1 if options.check and stale else 0


def pages() -> Iterator[tuple[Path, str]]:
    """Yield the path and the right content of every page."""
    page = (DEV / "architecture.md").read_text()
    yield DEV / "architecture.md", with_part(with_part(page, "rooms", rooms()), "states", states())
    yield DEV / "protocol.md", protocol(SCHEMA.read_text())
    yield DOCS / "cli.md", commands()


# --- the architecture --------------------------------------------------------------------------


def with_part(page: str, name: str, text: str) -> str:
    """The page, with the text between the markers of this name."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, _, rest = page.partition(begin)
    _, marker, after = rest.partition(end)
    if not marker:
        raise SystemExit(f"docs/dev/architecture.md lacks {begin} and {end}")
    return f"{before}{begin}\n{text}{end}{after}"


def states() -> str:
    """The state diagrams."""
    from zmr.core.states import MACHINES

    return "\n".join(
        f"#### {machine.name.capitalize()}\n\n```mermaid\n{machine.mermaid()}\n```\n"
        for machine in MACHINES
    )


def rooms() -> str:
    """The table of rooms, from the ground up."""
    table = tomllib.loads((DEV / "rooms.toml").read_text())
    ground = set(table["ground"])
    lines = ["| room | holds | may import |", "| --- | --- | --- |"]
    for name, row in table["rooms"].items():
        is_folder = (CHECKOUT / "zmr" / name).is_dir()
        others = [f"`{other}`" for other in row["may_import"]]
        if name not in ground:
            others.insert(0, "ground")
        place = (
            "zmr/__init__.py"
            if name == "zmr"
            else f"zmr/{name}/"
            if is_folder
            else f"zmr/{name}.py"
        )
        lines.append(f"| `{place}` | {row['holds']} | {', '.join(others) or 'nothing'} |")
    return "\n".join(lines) + "\n"


# --- the protocol ------------------------------------------------------------------------------


@dataclass
class Field:
    """A field, or a value of an enum (without a type); `group` is the comment that it is under."""

    type: str
    name: str
    number: str
    comment: str
    group: str


@dataclass
class Definition:
    """A message or an enum."""

    name: str
    section: str
    comment: list[str]
    is_enum: bool
    fields: list[Field] = field(default_factory=list)


_SECTION = re.compile(r"// -+ (.+?) -+$")
_DEFINITION = re.compile(r"(message|enum) (\w+) \{(\})?$")
_FIELD = re.compile(r"(?:((?:repeated )?[\w.]+) )?(\w+) = (\d+);(?:\s*// (.*))?$")


def protocol(schema: str) -> str:
    """The page about the protocol."""
    about, definitions = parse(schema)
    names = {each.name for each in definitions}
    lines = [MADE.format("proto/zmr.proto"), "# The protocol", *paragraphs(about)]
    section = "frames"
    lines += ["", "## Frames"]
    for each in definitions:
        if each.section != section:
            section = each.section
            lines += ["", f"## {section.capitalize()}"]
        lines += ["", f"### {each.name}", *paragraphs(each.comment), *table(each, names)]
    return "\n".join(lines) + "\n"


def parse(schema: str) -> tuple[list[str], list[Definition]]:
    """The comment at the top of the file, and its messages and enums."""
    lines = [line.strip() for line in schema.splitlines()]
    start = next(i for i, line in enumerate(lines) if line.startswith("syntax"))
    definitions: list[Definition] = []
    comment: list[str] = []
    section, group, current = "frames", "", None
    for line in lines[start:]:
        if heading := _SECTION.match(line):
            section, comment = heading[1], []
        elif line.startswith("//"):
            comment.append(line[2:].strip())
        elif opening := _DEFINITION.match(line):
            current = Definition(opening[2], section, comment, opening[1] == "enum")
            definitions.append(current)
            comment, group = [], ""
        elif current is not None and (found := _FIELD.match(line)):
            group, comment = " ".join(comment) or group, []
            current.fields.append(Field(found[1] or "", found[2], found[3], found[4] or "", group))
        elif not line:
            comment = []
    return [line[2:].strip() for line in lines[:start]], definitions


def paragraphs(comment: list[str]) -> Iterator[str]:
    """Yield a comment as Markdown. A paragraph that begins with a title of a word shows it."""
    for paragraph in "\n".join(comment).strip().split("\n\n"):
        if paragraph and not paragraph.startswith("This file"):
            yield ""
            yield re.sub(r"^([A-Z]\w+)\. (?=[\w`])", r"**\1.** ", paragraph)


def table(definition: Definition, names: set[str]) -> Iterator[str]:
    """Yield the table of the fields, one for each group of them."""
    if not definition.fields:
        yield from ("", "It has no fields.")
    group = None
    for each in definition.fields:
        if each.group != group:
            group = each.group
            if group:
                yield from ("", f"*{group}*")
            columns = ["value", "number"] if definition.is_enum else ["field", "number", "type"]
            yield from ("", row([*columns, "meaning"]), row(["---"] * (len(columns) + 1)))
        cells = [f"`{each.name}`", each.number]
        if not definition.is_enum:
            repeated, _, kind = each.type.rpartition(" ")
            linked = f"[{kind}](#{kind.lower()})" if kind in names else kind
            cells.append(f"{repeated} {linked}".strip())
        yield row([*cells, each.comment])


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


# --- the commands ------------------------------------------------------------------------------


def commands() -> str:
    """The page about the commands."""
    from zmr.cli.group import zmr as group

    context = click.Context(group, info_name="zmr")
    lines = [MADE.format("the commands"), "# The commands", "", prose(group.help)]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        lines += ["", *about_command(command, click.Context(command, context, name))]
    return "\n".join(lines) + "\n"


def about_command(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the section about one command."""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield from (f"## {context.command_path}", "", "```", usage, "```", "", prose(command.help))
    options = [each for each in command.params if isinstance(each, click.Option)]
    if options:
        yield from ("", row(["option", "environment", "meaning"]), row(["---"] * 3))
    for option in options:
        flags = ", ".join(f"`{flag}`" for flag in (*option.opts, *option.secondary_opts))
        value = "" if option.is_flag else f" {value_of(option)}"
        yield row(
            [
                flags + value,
                f"`{option.envvar}`" if option.envvar else "",
                f"{option.help}{default_of(option)}",
            ]
        )
    if examples := getattr(command, "examples", ()):
        yield from ("", "```sh")
        yield from (f"{typed}    # {does}" if does else typed for typed, does in examples)
        yield "```"


def prose(text: str | None) -> str:
    """A help text as Markdown: what click must not wrap is shown as it is."""
    shown = []
    for paragraph in inspect.cleandoc(text or "").split("\n\n"):
        if paragraph.startswith("\b\n"):
            shown.append("```\n" + paragraph[2:] + "\n```")
        else:
            shown.append(paragraph)
    return "\n\n".join(shown)


def value_of(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return " or ".join(str(choice) for choice in option.type.choices)
    return option.metavar or option.type.name.upper()


def default_of(option: click.Option) -> str:
    """The default, if there is one worth a word."""
    default: Any = option.default
    if isinstance(option.show_default, str):
        return f" Default: {option.show_default}."
    if isinstance(default, str | int | float) and not isinstance(default, bool):
        return f" Default: {default}."
    return ""


if __name__ == "__main__":
    sys.exit(main())
