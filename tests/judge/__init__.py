"""Histories of jobs, judged by a checker of linearizability that is not ours.

What clients and workers asked for, and what they were answered, is written down as operations with
a beginning and an end. Porcupine, a Go library, finds out whether the master can have done them one
at a time, each between its beginning and its end, such that each partition was published once, by
an attempt that was granted, of a job that was not cancelled. See docs/dev/simulation.md.
"""
