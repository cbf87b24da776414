"""`python -m busbar`."""

from busbar.cli import app

if __name__ == "__main__":
    app(prog_name="busbar")
