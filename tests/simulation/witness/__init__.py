"""What is right, judged by what goes into a master and what comes out of it."""
