"""`python -m localazure`."""

from localazure.cli import app

if __name__ == "__main__":
    app(prog_name="localazure")
