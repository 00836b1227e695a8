"""The composition root and the `chainwatch-collector` command. It holds no logic."""
