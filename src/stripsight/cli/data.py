"""`stripsight data ...`: make, prepare and check data sets."""

import typer

app = typer.Typer(help="Make, prepare and check data sets.", no_args_is_help=True)


@app.callback()
def data() -> None:
    """Make, prepare and check data sets."""
