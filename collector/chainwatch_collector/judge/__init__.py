"""State → findings, verdicts and forecasts, from a closed catalogue of codes. Pure: the clock is an argument."""
