"""Stories of other people's clients, each in an environment of its own."""
