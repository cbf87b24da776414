"""Groups of commands of the operator's command line, a module a subject; `busbar/cli.py` lists them."""
