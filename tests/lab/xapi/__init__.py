"""The lab's XenAPI server: one pool's xapi as a client sees it over HTTPS. Synthetic data, own code.

It reproduces what clients can trip over: wire encodings of XML-RPC and JSON-RPC, generations and coalesced
`event.from`, deletions that are forgotten, sessions, HOST_IS_SLAVE, roles. `handle.lab_pool` runs it in a test,
`python -m lab.xapi` in a process of its own.
"""
