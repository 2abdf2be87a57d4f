"""Real jobs on real processes to which bad things happen at random: see docs/reliability.md."""
