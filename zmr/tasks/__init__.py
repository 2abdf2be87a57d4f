"""Where the user's code runs: one map or reduce task, from its input to its output.

    map       map_task: map_input -> collect (and skip_records) -> user_combiner -> its sink
    reduce    reduce_task: reduce_input -> reduction -> commit

Their caller gives them where map output goes and comes from (`zmr.shuffle.map_output_sink`,
`map_output_sources`) and a `context`; how an attempt ends badly is in `errors`, and what is kept of
it in `capsule`. Nothing here knows of slots, agents or masters.
"""
