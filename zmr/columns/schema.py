"""One schema for rows that were typed differently.

Columns are typed batch by batch, by what is in them, so those of a job may differ: whole numbers
here, fractions there. What is merged together must be alike: where types differ, the column becomes
a mixed one. Only where some keys can't be columns at all do the rows become opaque, with their
values pickled as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import pyarrow as pa

from zmr.columns import mixed, rows
from zmr.columns.values import encode_pickled, is_pickled, pickled_field
from zmr.errors import YieldError
from zmr.key_types import checked_common_type


def unified_schema(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """The schema that rows of all these schemas can have.

    Raises `YieldError` if only some of them have values, and `KeyTypeError` if their keys have no
    common type.
    """
    first = schemas[0]
    is_opaque = any(rows.is_opaque(schema) for schema in schemas)
    if not is_opaque and all(schema.equals(first, check_metadata=True) for schema in schemas[1:]):
        return first
    if len({rows.has_values(schema) for schema in schemas}) > 1:
        raise YieldError("map_batch gives values with some keys, and with others none")
    metadata = rows.key_metadata(reduce(checked_common_type, map(rows.key_type, schemas)))
    if is_opaque:
        names = [rows.KEY, rows.VALUE] if rows.has_values(first) else [rows.KEY]
        return pa.schema(map(pickled_field, names), metadata)
    return pa.schema([_common(name, schemas) for name in first.names], metadata)


def unify(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The same rows in the `unified_schema` of theirs and others. Unpickling may raise anything."""
    if batch.schema.equals(schema, check_metadata=True):
        return batch
    if rows.is_opaque(schema):
        values = pickled_values(batch) if rows.has_values(schema) else None
        return rows.opaque(rows.keys_of(batch), values, rows.key_type(schema))
    columns = [
        batch.column(field.name) if is_pickled(field) else _widened(batch, field)
        for field in schema
    ]
    return pa.record_batch(columns, schema=schema)


def can_unify(schema: pa.Schema, target: pa.Schema) -> bool:
    """Whether rows of the schema can be had in the target, without other types for all."""
    return bool(unified_schema([target, schema]).equals(target, check_metadata=True))


def concat_unified(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """All rows of the batches, of which there must be one, with one schema."""
    schema = unified_schema([batch.schema for batch in batches])
    return concat([unify(batch, schema) for batch in batches])


def concat(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """All rows of the batches, of which there must be one, in one batch."""
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def pickled_values(batch: pa.RecordBatch) -> pa.Array:
    """The values of the rows as a column of pickles."""
    if is_pickled(batch.schema.field(rows.VALUE)):
        return batch.column(rows.VALUE)
    return encode_pickled(rows.VALUE, rows.values_of(batch))[1]


def _common(name: str, schemas: Sequence[pa.Schema]) -> pa.Field:
    fields = [schema.field(name) for schema in schemas]
    if all(map(is_pickled, fields)):
        return pickled_field(name)
    types = [_ONLY_PICKLES if is_pickled(field) else field.type for field in fields]
    return pa.field(name, mixed.common_type(types))


def _widened(batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
    column = batch.column(field.name)
    if is_pickled(batch.schema.field(field.name)):
        column = mixed.of_pickles(column)
    return mixed.widened(column, field.type)


_ONLY_PICKLES = pa.struct([(mixed.PICKLES, pa.large_binary())])
