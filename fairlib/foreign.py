"""JSON that somebody else's program wrote, or a person: what is wrong with it is a ValueError, however it is wrong."""

import json


def parsed(text: str) -> object:
    """Read JSON.

    Parameters
    ----------
    text : str
        A whole document, such as a file or a line of one.

    Returns
    -------
    object
        What it says, as `json.loads` gives it.

    Raises
    ------
    ValueError
        For what is no JSON, and for lists within lists beyond what Python follows.

    Examples
    --------
    >>> parsed("[1, 2]")
    [1, 2]
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it has lists within lists, too many to follow") from error
