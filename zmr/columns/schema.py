"""One schema for rows that were typed differently.

Columns are typed batch by batch, by what is in them, so those of a job may differ: whole numbers
here, fractions there. What is merged together must be alike. Where only the values differ, these
are pickled, and keys stay columns; where the keys differ, because some of them are beyond what
Arrow holds, the rows become opaque, with their values pickled as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from zmr.columns import rows
from zmr.columns.values import encode_pickled, is_pickled, pickled_field
from zmr.errors import YieldError


def unified_schema(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """The schema that rows of all these schemas can have. The keys' types are the same in all.

    Raises `YieldError` if only some of them have values.
    """
    first = schemas[0]
    is_opaque = any(rows.is_opaque(schema) for schema in schemas)
    if not is_opaque and all(schema.equals(first, check_metadata=True) for schema in schemas[1:]):
        return first
    if len({rows.has_values(schema) for schema in schemas}) > 1:
        raise YieldError("map_batch gives values with some keys, and with others none")
    if is_opaque:
        names = [rows.KEY, rows.VALUE] if rows.has_values(first) else [rows.KEY]
        return pa.schema(map(pickled_field, names), first.metadata)
    keys = [first.field(name) for name in rows.key_names(first)]
    return pa.schema([*keys, _common_value(schemas)], first.metadata)


def unify(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The same rows in the `unified_schema` of theirs and others. Unpickling may raise anything."""
    if batch.schema.equals(schema, check_metadata=True):
        return batch
    if rows.is_opaque(schema):
        values = pickled_values(batch) if rows.has_values(schema) else None
        return rows.opaque(rows.keys_of(batch), values, rows.key_type(schema))
    value = schema.field(rows.VALUE)
    if is_pickled(value):
        array = pickled_values(batch)
    else:
        array = batch.column(rows.VALUE).cast(value.type)
    return pa.record_batch([*rows.key_columns(batch), array], schema=schema)


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


def _common_value(schemas: Sequence[pa.Schema]) -> pa.Field:
    fields = [schema.field(rows.VALUE) for schema in schemas]
    types = {field.type for field in fields if not is_pickled(field)} - {pa.null()}
    if len(types) == 1 and not any(map(is_pickled, fields)):
        return pa.field(rows.VALUE, types.pop())
    return pickled_field(rows.VALUE)
