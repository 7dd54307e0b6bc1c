"""Servers' names, looked up while we run: who is asked, what is made of the answers, who gets which."""
