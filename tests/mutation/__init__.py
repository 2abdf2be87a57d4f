"""Mutants: small mistakes in the core and on the wire, drawn at random, that tests should find.

See docs/dev/simulation.md.
"""
