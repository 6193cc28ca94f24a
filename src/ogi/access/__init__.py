"""Who may do what: signatures, identities, policies, and the decision on every request and hop."""
