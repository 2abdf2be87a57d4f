"""A cluster in one process, on a clock, a network and disks that are simulated, all from one seed.

The cores and the codec are those of production. First faults are on, and nothing wrong may happen;
then they are off, and everything has to finish. See docs/dev/simulation.md.
"""
