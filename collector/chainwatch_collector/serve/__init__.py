"""The composition root and the `chainwatch-collector` command. It holds no logic."""

import os

# gRPC reads it while it is imported. Its own level writes a line for each failed handshake of any stranger.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
