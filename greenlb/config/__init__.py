"""Configuration text to ``model.Config``: pure, no socket is opened."""
