"""The checks of an audit, one function each, from a study to findings."""
