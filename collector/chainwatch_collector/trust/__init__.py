"""Who may talk: the collector's CA, enrolment and renewal of agents, revocation, accounts and their tokens."""
