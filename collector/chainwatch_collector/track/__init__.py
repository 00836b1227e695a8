"""Facts, observations and inventory folded into the state of a pool. Pure; the clock is an argument."""
