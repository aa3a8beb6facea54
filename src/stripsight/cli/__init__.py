"""The command line; every command imports its work when it runs."""
