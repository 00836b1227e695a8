"""Damaged input for every parser: the same targets in `make test`, `make test-long` and under atheris."""
