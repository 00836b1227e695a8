"""The operators' command. A REST client and the offline `diagnose`; it imports neither the store nor the server."""
