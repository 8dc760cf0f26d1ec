"""Options: how they are declared, which there are, and where their values come from."""
