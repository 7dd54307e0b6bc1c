"""Dialogues with running processes, one module for each behaviour."""
