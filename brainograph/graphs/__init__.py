"""Graphs of one brain, and the graph of a population."""
