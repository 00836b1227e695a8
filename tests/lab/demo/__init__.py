"""`make demo`: the simulated installation, diagnosed by the real product."""
