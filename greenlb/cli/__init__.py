"""The command line: one module for each thing a person types."""
