"""Telling people: incidents, grouped by their root cause, go to webhooks and Alertmanagers, each once, and then that it
is over. `incident` and `decide` are pure, `bodies` are the JSON, `deliver` sends; what waits stands in the database.
"""
