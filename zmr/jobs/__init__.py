"""The built-in jobs, each also an example of how to write one.

They import from the rooms of zmr; a job of your own says `from zmr import Job, Sum`.
"""
