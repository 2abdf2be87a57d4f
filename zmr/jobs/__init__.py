"""The built-in jobs, each also an example of how to write one."""

BUILT_IN = {
    "wordcount": "zmr.jobs.wordcount:WordCount",
    "grep": "zmr.jobs.grep:Grep",
    "index": "zmr.jobs.index:Index",
    "sort": "zmr.jobs.sort:Sort",
}
