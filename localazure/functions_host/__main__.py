from localazure.functions_host.cli import app

if __name__ == "__main__":
    app(prog_name="python -m localazure.functions_host")
