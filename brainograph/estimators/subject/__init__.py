"""Networks that see one participant at a time, and what they read."""
