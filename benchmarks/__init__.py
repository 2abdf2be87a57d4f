"""zmr beside its peers: the same work on the same data in the same run.

tox -e bench -- --list                                  what there is
tox -e bench -- --only wordcount-batch --size 20M       a smoke run
tox -e bench -- --docs                                  everything, into docs/performance.md

data        generators: seeded, deterministic         datasets    their files, kept
works/      what is done, and what must come out      engines/    who does it, by which command
peers/      the programs that other engines run       jobs.py     the jobs that zmr runs
rounds      engines take turns                        measure     one command: time, memory
checksum    is the result right?                      report, plot, docs
cliffs      what one odd record costs                 odd_records, one_task
"""
