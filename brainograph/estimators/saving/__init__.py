"""A fitted model as a folder."""
